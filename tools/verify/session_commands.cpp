// Session, the part that writes commands, and notes what their replies must be judged against.
#include "session.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace tiercache::verify {
namespace {

void append_header(std::string& out, char type, std::uint64_t number) {
  char text[24];
  text[0] = type;
  const auto [end, error] = std::to_chars(text + 1, text + sizeof text - 2, number);
  end[0] = '\r';
  end[1] = '\n';
  out.append(text, static_cast<std::size_t>(end + 2 - text));
}

}  // namespace

Op Session::read_op(OpKind kind, KeyId key) const noexcept {
  Op op;
  op.kind = kind;
  op.key = key;
  op.version = make_version(run_.book.incarnation(key), 0);
  op.proxy_floor = run_.book.floor(lane(), key);
  op.direct_floor = run_.book.direct_floor(key);
  return op;
}

void Session::begin_command(std::size_t words) {
  append_header(connection_.out(), '*', words);
}
void Session::word(std::string_view text) {
  std::string& out = connection_.out();
  append_header(out, '$', text.size());
  out.append(text);
  out.append("\r\n", 2);
}
void Session::word(std::uint64_t number) {
  char text[24];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  word(std::string_view(text, static_cast<std::size_t>(end - text)));
}
void Session::command(std::initializer_list<std::string_view> words) {
  begin_command(words.size());
  for (const std::string_view text : words) {
    word(text);
  }
}
void Session::key_word(KeyId key, Version incarnation) {
  char text[5 + Names::kSize + 2];
  static_assert(Names::kSize == 23);
  std::memcpy(text, "$23\r\n", 5);
  run_.names.write(text + 5, key, incarnation);
  std::memcpy(text + 5 + Names::kSize, "\r\n", 2);
  connection_.out().append(text, sizeof text);
}

void Session::get(KeyId key) {
  const Op op = read_op(OpKind::get, key);
  connection_.out().append("*2\r\n$3\r\nGET\r\n", 13);
  key_word(key, incarnation_of(op.version));
  ops_.push_back(op);
}

void Session::get_watched(KeyId key) {
  get(key);
  ops_.back().kind = OpKind::watched_get;
}

void Session::read(OpKind kind, KeyId key) {
  const Op op = read_op(kind, key);
  const auto send = [&](std::string_view name, std::initializer_list<std::string_view> tail) {
    begin_command(2 + tail.size());
    word(name);
    key_word(key, incarnation_of(op.version));
    for (const std::string_view text : tail) {
      word(text);
    }
  };
  switch (kind) {
    case OpKind::getrange:
      send("GETRANGE", {"0", "-1"});
      break;
    case OpKind::hget:
      send("HGET", {random_.below(2) == 0 ? "a" : "b"});
      break;
    case OpKind::hmget:
      send("HMGET", {"a", "b"});
      break;
    case OpKind::hexists:
    case OpKind::hstrlen:
      send(name_of(kind), {random_.below(2) == 0 ? "a" : "b"});
      break;
    case OpKind::lindex:
      send("LINDEX", {"0"});
      break;
    case OpKind::lrange:
      send("LRANGE", {"0", "-1"});
      break;
    case OpKind::zscore:
    case OpKind::zrank:
      send(name_of(kind), {"m"});
      break;
    case OpKind::zrangebyscore:
      send("ZRANGEBYSCORE", {"-inf", "+inf", "WITHSCORES"});
      break;
    case OpKind::zcount:
      send("ZCOUNT", {"-inf", "+inf"});
      break;
    case OpKind::zrange:
      send("ZRANGE", {"0", "-1", "WITHSCORES"});
      break;
    default:
      send(name_of(kind), {});
  }
  ops_.push_back(op);
}

void Session::read_membership(KeyId key) {
  Op op = read_op(OpKind::sismember, key);
  const Version latest = number_of(run_.book.issued(key));
  op.member = latest - std::min(latest, random_.below(4));
  std::string record;
  append_record(key, make_version(incarnation_of(op.version), op.member), record);
  begin_command(3);
  word("SISMEMBER");
  key_word(key, incarnation_of(op.version));
  word(record);
  ops_.push_back(op);
}

void Session::read_collection(KeyId key) {
  using enum OpKind;
  static constexpr std::array kHash{hget,    hmget, hgetall, hgetall, hget,
                                    hexists, hlen,  hkeys,   hvals,   hstrlen};
  static constexpr std::array kList{lrange, lrange, lindex, llen};
  static constexpr std::array kSet{smembers, smembers, sismember, sismember, scard};
  static constexpr std::array kZset{zscore,        zscore, zrange, zrange,
                                    zrangebyscore, zcard,  zcount, zrank};
  static constexpr std::array kAny{exists, type, pttl};
  const auto one_of = [this](const auto& kinds) {
    return kinds[random_.below(static_cast<std::uint32_t>(kinds.size()))];
  };
  OpKind kind = one_of(kAny);
  if (random_.below(8) != 0) {
    switch (run_.book.info(key).shape) {
      case Shape::hash:
        kind = one_of(kHash);
        break;
      case Shape::list:
        kind = one_of(kList);
        break;
      case Shape::set:
        kind = one_of(kSet);
        break;
      default:
        kind = one_of(kZset);
    }
  }
  if (kind == sismember) {
    read_membership(key);
  } else {
    read(kind, key);
  }
}

void Session::read_many(OpKind kind, std::span<const KeyId> keys) {
  begin_command(1 + keys.size());
  word(name_of(kind));
  const std::size_t first = ops_.size();
  for (const KeyId key : keys) {
    ops_.push_back(read_op(kind, key));
    key_word(key, incarnation_of(ops_.back().version));
  }
  ops_[first].count = static_cast<std::uint8_t>(keys.size());
}

void Session::read_in_exec(std::span<const KeyId> keys) {
  command({"MULTI"});
  push_op({OpKind::ok});
  std::array<Op, kMaxGroup> reads;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    reads[i] = read_op(OpKind::exec_get, keys[i]);
    begin_command(2);
    word("GET");
    key_word(keys[i], incarnation_of(reads[i].version));
    push_op({OpKind::queued});
  }
  command({"EXEC"});
  reads[0].count = static_cast<std::uint8_t>(keys.size());
  ops_.insert(ops_.end(), reads.begin(), reads.begin() + static_cast<std::ptrdiff_t>(keys.size()));
}

}  // namespace tiercache::verify
