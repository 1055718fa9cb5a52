#include "op.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace tiercache::verify {
namespace {

constexpr std::array<std::string_view, 45> kNames{
    "GET",     "GETRANGE", "STRLEN",        "EXISTS",    "MGET",     "EXEC(GET)", "WATCH+GET",
    "HGET",    "HMGET",    "HGETALL",       "HVALS",     "HKEYS",    "HLEN",      "HEXISTS",
    "HSTRLEN", "LINDEX",   "LRANGE",        "LLEN",      "SMEMBERS", "SCARD",     "SISMEMBER",
    "ZSCORE",  "ZRANGE",   "ZRANGEBYSCORE", "ZCARD",     "ZCOUNT",   "ZRANK",     "TYPE",
    "PTTL",    "SET",      "SET..GET",      "APPEND",    "INCR",     "DEL",       "HSET",
    "PUSH",    "BLMPOP",   "ZADD",          "EVAL(SET)", "MSET",     "EXEC(SET)", "EXEC(WATCH)",
    "OK",      "QUEUED",   "HELLO"};
static_assert(kNames.size() == static_cast<std::size_t>(OpKind::hello) + 1);

constexpr Seen kAbsent{Seen::Kind::absent, 0};
constexpr Seen kPresent{Seen::Kind::present, 0};
constexpr Seen kCorrupt{Seen::Kind::corrupt, 0};
constexpr Seen kMistyped{Seen::Kind::mistyped, 0};

Seen seen_value(std::optional<Version> number) noexcept {
  return number ? Seen{Seen::Kind::value, *number} : kCorrupt;
}

Seen record_in(KeyId key, Version incarnation, const Reply& reply) noexcept {
  if (reply.kind == Reply::Kind::nil) {
    return kAbsent;
  }
  return reply.kind == Reply::Kind::bulk ? seen_value(read_record(key, incarnation, reply.text))
                                         : kMistyped;
}

Seen text_value(const KeyInfo& info, KeyId key, Version incarnation, const Reply& reply) noexcept {
  if (reply.kind == Reply::Kind::nil) {
    return kAbsent;
  }
  return reply.kind == Reply::Kind::bulk
             ? seen_value(read_value(info, key, incarnation, reply.text))
             : kMistyped;
}

Seen count_in(const Reply& reply) noexcept {
  if (reply.kind != Reply::Kind::integer) {
    return kMistyped;
  }
  return reply.integer < 0 || reply.integer > 0x7fffffff
             ? kCorrupt
             : Seen{Seen::Kind::length, static_cast<std::uint32_t>(reply.integer)};
}

// One or zero, and what they stand for.
Seen choice_in(const Reply& reply, Seen yes, Seen no, std::int64_t most = 1) noexcept {
  if (reply.kind != Reply::Kind::integer) {
    return kMistyped;
  }
  return reply.integer == 0 ? no : reply.integer == most ? yes : kCorrupt;
}

Seen names_in(const Reply& reply) noexcept {
  if (reply.kind != Reply::Kind::list) {
    return kMistyped;
  }
  if (reply.items.empty()) {
    return kAbsent;
  }
  const bool whole = reply.items.size() == 2 && reply.items[0].text != reply.items[1].text &&
                     std::all_of(reply.items.begin(), reply.items.end(), [](const Reply& item) {
                       return item.text == "a" || item.text == "b";
                     });
  return whole ? kPresent : kCorrupt;
}

Seen type_in(const KeyInfo& info, const Reply& reply) noexcept {
  if (reply.kind != Reply::Kind::simple) {
    return kMistyped;
  }
  if (reply.text == "none") {
    return kAbsent;
  }
  const std::string_view right = info.shape == Shape::hash   ? "hash"
                                 : info.shape == Shape::list ? "list"
                                 : info.shape == Shape::set  ? "set"
                                 : info.shape == Shape::zset ? "zset"
                                                             : "string";
  return reply.text == right ? kPresent : kCorrupt;
}

Seen left_in(const KeyInfo& info, const Reply& reply) noexcept {
  if (reply.kind != Reply::Kind::integer || reply.integer < -2) {
    return kMistyped;
  }
  if (reply.integer == -2) {
    return kAbsent;
  }
  return info.expires && reply.integer < 0 ? kCorrupt : kPresent;
}

// HMGET k a b, HGETALL k, HVALS k: both fields or neither, and the same record in both.
Seen fields_in(OpKind kind, KeyId key, Version incarnation, const Reply& reply) noexcept {
  if (reply.kind != Reply::Kind::list) {
    return kMistyped;
  }
  if (kind != OpKind::hmget && reply.items.empty()) {
    return kAbsent;
  }
  const std::size_t step = kind == OpKind::hgetall ? 2 : 1;
  if (reply.items.size() != 2 * step) {
    return kCorrupt;
  }
  const Seen a = record_in(key, incarnation, reply.items[step - 1]);
  const Seen b = record_in(key, incarnation, reply.items[2 * step - 1]);
  return a == b ? a : kCorrupt;
}

// All elements are records of consecutive states, the count is that of the newest.
Seen elements_in(OpKind kind, const KeyInfo& info, KeyId key, Version incarnation,
                 const Reply& reply) noexcept {
  if (reply.kind != Reply::Kind::list) {
    return kMistyped;
  }
  if (reply.items.empty()) {
    return kAbsent;
  }
  Version newest = 0;
  Version sum = 0;
  for (std::size_t i = 0; i < reply.items.size(); ++i) {
    const Seen item = record_in(key, incarnation, reply.items[i]);
    if (item.kind != Seen::Kind::value ||
        (kind == OpKind::lrange && i > 0 && item.number + 1 + i != newest + 1)) {
      return kCorrupt;
    }
    newest = std::max(newest, item.number);
    sum += item.number;
  }
  const auto count = static_cast<Version>(reply.items.size());
  const bool complete =
      record_count(info, newest) == count && sum == count * newest - count * (count - 1) / 2;
  return complete ? Seen{Seen::Kind::value, newest} : kCorrupt;
}

Seen score_in(const Reply& reply) noexcept {
  if (reply.kind == Reply::Kind::nil) {
    return kAbsent;
  }
  if (reply.kind != Reply::Kind::bulk && reply.kind != Reply::Kind::real) {
    return kMistyped;
  }
  return seen_value(read_number(reply.text));
}

}  // namespace

std::string_view name_of(OpKind kind) noexcept {
  return kNames[static_cast<std::size_t>(kind)];
}

Seen interpret(OpKind kind, const KeyInfo& info, KeyId key, Version incarnation,
               const Reply& reply) noexcept {
  switch (kind) {
    case OpKind::getrange:
      // Of a missing key it is the empty string.
      return reply.kind == Reply::Kind::bulk && reply.text.empty()
                 ? kAbsent
                 : (reply.kind == Reply::Kind::nil ? kMistyped
                                                   : text_value(info, key, incarnation, reply));
    case OpKind::strlen:
    case OpKind::llen:
    case OpKind::scard:
    case OpKind::hlen:
    case OpKind::zcard:
    case OpKind::zcount:
      return count_in(reply);
    case OpKind::exists:
    case OpKind::hexists:
      return choice_in(reply, kPresent, kAbsent);
    case OpKind::hstrlen:
      return choice_in(reply, kPresent, kAbsent, kRecordSize);
    case OpKind::sismember:
      return choice_in(reply, {Seen::Kind::member, 0}, {Seen::Kind::outsider, 0});
    case OpKind::zrank:
      return reply.kind == Reply::Kind::nil ? kAbsent : choice_in(reply, kCorrupt, kPresent);
    case OpKind::type:
      return type_in(info, reply);
    case OpKind::pttl:
      return left_in(info, reply);
    case OpKind::hkeys:
      return names_in(reply);
    case OpKind::hget:
    case OpKind::lindex:
      return record_in(key, incarnation, reply);
    case OpKind::hmget:
    case OpKind::hgetall:
    case OpKind::hvals:
      return fields_in(kind, key, incarnation, reply);
    case OpKind::lrange:
    case OpKind::smembers:
      return elements_in(kind, info, key, incarnation, reply);
    case OpKind::zscore:
      return score_in(reply);
    case OpKind::zrange:
    case OpKind::zrangebyscore:
      if (reply.kind != Reply::Kind::list) {
        return kMistyped;
      }
      if (reply.items.empty()) {
        return kAbsent;
      }
      return reply.items.size() == 2 && reply.items[0].text == "m" ? score_in(reply.items[1])
                                                                   : kCorrupt;
    case OpKind::incr:
      return reply.kind == Reply::Kind::integer ? seen_value(read_number(reply.text)) : kMistyped;
    default:
      return text_value(info, key, incarnation, reply);
  }
}

bool is_write_reply(const KeyInfo& info, const Op& op, const Reply& reply) noexcept {
  const Version number = number_of(op.version);
  switch (op.kind) {
    case OpKind::set:
    case OpKind::mset:
      return reply.is("OK");
    case OpKind::set_get:
      return is_previous(info, op.key, number,
                         interpret(OpKind::get, info, op.key, incarnation_of(op.version), reply));
    case OpKind::append:
    case OpKind::push:
      return reply.kind == Reply::Kind::integer &&
             reply.integer == static_cast<std::int64_t>(length_of(info, op.key, number));
    case OpKind::del:
      return reply.kind == Reply::Kind::integer &&
             is_previous(info, op.key, number, interpret(OpKind::exists, info, op.key, 0, reply));
    case OpKind::pop:  // the key's name, and all its elements
      return reply.kind == Reply::Kind::list &&
             reply.items.size() == 1 + length_of(info, op.key, number - 1);
    case OpKind::exec_set:
      return reply.kind == Reply::Kind::list && reply.items.size() == op.count &&
             std::all_of(reply.items.begin(), reply.items.end(),
                         [](const Reply& item) { return item.is("OK"); });
    case OpKind::exec_watch:
      return reply.kind == Reply::Kind::nil || (reply.items.size() == 1 && reply.items[0].is("OK"));
    default:
      return reply.kind == Reply::Kind::integer;
  }
}

}  // namespace tiercache::verify
