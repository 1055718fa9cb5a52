// Replies as bytes, and what a session makes of them.
#include "verify/op.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::verify {
namespace {

constexpr KeyId kKey = 300;

KeyInfo info_of(Shape shape, std::uint8_t absent_every = 0) {
  KeyInfo info;
  info.shape = shape;
  info.absent_every = absent_every;
  return info;
}
std::string bulk(const std::string& text) {
  std::string out = "$";
  return out.append(std::to_string(text.size())).append("\r\n").append(text).append("\r\n");
}
std::string record(Version number) {
  std::string text;
  append_record(kKey, number, text);
  return bulk(text);
}
std::string list(const std::vector<std::string>& items, char type = '*') {
  std::string text = type + std::to_string(type == '%' ? items.size() / 2 : items.size()) + "\r\n";
  for (const std::string& item : items) {
    text += item;
  }
  return text;
}

class Wire {
 public:
  const Reply& operator()(std::string bytes) {
    bytes_ = std::move(bytes);
    std::size_t used = 0;
    REQUIRE(parser_.parse(bytes_, used, reply_) == ReplyParser::Status::whole);
    return reply_;
  }
  Seen seen(OpKind kind, const KeyInfo& info, std::string bytes) {
    return interpret(kind, info, kKey, 0, (*this)(std::move(bytes)));
  }

 private:
  ReplyParser parser_{};
  std::string bytes_{};
  Reply reply_{};
};

Seen value(Version number) {
  return {Seen::Kind::value, number};
}
constexpr Seen kAbsent{Seen::Kind::absent, 0};
constexpr Seen kPresent{Seen::Kind::present, 0};
constexpr Seen kCorrupt{Seen::Kind::corrupt, 0};
constexpr Seen kMistyped{Seen::Kind::mistyped, 0};

Op write_op(OpKind kind, Version version, std::uint8_t count = 1) {
  Op op;
  op.kind = kind;
  op.key = kKey;
  op.version = version;
  op.count = count;
  return op;
}

}  // namespace

TEST_CASE("reads of a string") {
  Wire wire;
  const KeyInfo info = info_of(Shape::compact);
  CHECK(wire.seen(OpKind::get, info, record(5)) == value(5));
  CHECK(wire.seen(OpKind::get, info, "$-1\r\n") == kAbsent);
  CHECK(wire.seen(OpKind::get, info, "_\r\n") == kAbsent);
  CHECK(wire.seen(OpKind::get, info, ":5\r\n") == kMistyped);
  CHECK(wire.seen(OpKind::get, info, bulk("12345678")) == kCorrupt);
  CHECK(wire.seen(OpKind::getrange, info, "$0\r\n\r\n") == kAbsent);
  CHECK(wire.seen(OpKind::getrange, info, "$-1\r\n") == kMistyped);
  CHECK(wire.seen(OpKind::strlen, info, ":8\r\n") == Seen{Seen::Kind::length, 8});
  CHECK(wire.seen(OpKind::strlen, info, ":-8\r\n") == kCorrupt);
  CHECK(wire.seen(OpKind::exists, info, ":1\r\n").kind == Seen::Kind::present);
  CHECK(wire.seen(OpKind::exists, info, ":0\r\n") == kAbsent);
  CHECK(wire.seen(OpKind::exists, info, ":2\r\n") == kCorrupt);
  CHECK(wire.seen(OpKind::exists, info, "+1\r\n") == kMistyped);
}

TEST_CASE("the type and the time left say whether the key is there") {
  Wire wire;
  KeyInfo info = info_of(Shape::compact);
  CHECK(wire.seen(OpKind::type, info, "+string\r\n") == kPresent);
  CHECK(wire.seen(OpKind::type, info, "+none\r\n") == kAbsent);
  CHECK(wire.seen(OpKind::type, info, "+hash\r\n") == kCorrupt);
  CHECK(wire.seen(OpKind::type, info_of(Shape::zset), "+zset\r\n") == kPresent);
  CHECK(wire.seen(OpKind::pttl, info, ":-1\r\n") == kPresent);
  CHECK(wire.seen(OpKind::pttl, info, ":-2\r\n") == kAbsent);
  CHECK(wire.seen(OpKind::pttl, info, ":-3\r\n") == kMistyped);
  info.expires = true;
  CHECK(wire.seen(OpKind::pttl, info, ":20\r\n") == kPresent);
  CHECK(wire.seen(OpKind::pttl, info, ":-1\r\n") == kCorrupt);
}

TEST_CASE("the fields of a hash are one state, or the reply is broken") {
  Wire wire;
  const KeyInfo info = info_of(Shape::hash, 8);
  CHECK(wire.seen(OpKind::hmget, info, list({record(3), record(3)})) == value(3));
  CHECK(wire.seen(OpKind::hmget, info, list({record(3), record(4)})) == kCorrupt);
  CHECK(wire.seen(OpKind::hmget, info, list({record(3), "$-1\r\n"})) == kCorrupt);
  CHECK(wire.seen(OpKind::hmget, info, list({"_\r\n", "_\r\n"})) == kAbsent);
  const std::vector<std::string> all{bulk("a"), record(3), bulk("b"), record(3)};
  CHECK(wire.seen(OpKind::hgetall, info, list(all)) == value(3));
  CHECK(wire.seen(OpKind::hgetall, info, list(all, '%')) == value(3));
  CHECK(wire.seen(OpKind::hgetall, info, "*0\r\n") == kAbsent);
  CHECK(wire.seen(OpKind::hgetall, info, list({bulk("a"), record(3)})) == kCorrupt);
  CHECK(wire.seen(OpKind::hvals, info, list({record(3), record(3)})) == value(3));
  CHECK(wire.seen(OpKind::hvals, info, list({record(3), record(4)})) == kCorrupt);
  CHECK(wire.seen(OpKind::hvals, info, "*0\r\n") == kAbsent);
  CHECK(wire.seen(OpKind::hkeys, info, list({bulk("b"), bulk("a")})) == kPresent);
  CHECK(wire.seen(OpKind::hkeys, info, list({bulk("a"), bulk("a")})) == kCorrupt);
  CHECK(wire.seen(OpKind::hkeys, info, list({bulk("a")})) == kCorrupt);
  CHECK(wire.seen(OpKind::hkeys, info, "*0\r\n") == kAbsent);
  CHECK(wire.seen(OpKind::hlen, info, ":2\r\n") == Seen{Seen::Kind::length, 2});
  CHECK(wire.seen(OpKind::hexists, info, ":1\r\n") == kPresent);
  CHECK(wire.seen(OpKind::hstrlen, info, ":8\r\n") == kPresent);
  CHECK(wire.seen(OpKind::hstrlen, info, ":7\r\n") == kCorrupt);
  CHECK(wire.seen(OpKind::hstrlen, info, ":0\r\n") == kAbsent);
}

TEST_CASE("the elements of a list or set are consecutive and complete") {
  Wire wire;
  const KeyInfo growing = info_of(Shape::list, kCycle);
  CHECK(wire.seen(OpKind::lrange, growing, list({record(19), record(18), record(17)})) ==
        value(19));
  CHECK(wire.seen(OpKind::lrange, growing, list({record(19), record(18)})) == kCorrupt);
  CHECK(wire.seen(OpKind::lrange, growing, list({record(18), record(19), record(17)})) == kCorrupt);
  CHECK(wire.seen(OpKind::lrange, growing, "*0\r\n") == kAbsent);
  const KeyInfo set = info_of(Shape::set, kCycle);
  CHECK(wire.seen(OpKind::smembers, set, list({record(18), record(19), record(17)}, '~')) ==
        value(19));
  CHECK(wire.seen(OpKind::smembers, set, list({record(18), record(19), record(19)})) == kCorrupt);
  CHECK(wire.seen(OpKind::sismember, set, ":1\r\n").kind == Seen::Kind::member);
  CHECK(wire.seen(OpKind::sismember, set, ":0\r\n").kind == Seen::Kind::outsider);
  CHECK(wire.seen(OpKind::sismember, set, ":2\r\n") == kCorrupt);
}

TEST_CASE("a score is a state in either protocol") {
  Wire wire;
  const KeyInfo info = info_of(Shape::zset, 8);
  CHECK(wire.seen(OpKind::zscore, info, bulk("42")) == value(42));
  CHECK(wire.seen(OpKind::zscore, info, ",42\r\n") == value(42));
  CHECK(wire.seen(OpKind::zscore, info, "_\r\n") == kAbsent);
  CHECK(wire.seen(OpKind::zrange, info, list({bulk("m"), bulk("42")})) == value(42));
  CHECK(wire.seen(OpKind::zrange, info, list({list({bulk("m"), ",42\r\n"})})) == value(42));
  CHECK(wire.seen(OpKind::zrange, info, list({bulk("n"), bulk("42")})) == kCorrupt);
  CHECK(wire.seen(OpKind::zrangebyscore, info, list({bulk("m"), bulk("42")})) == value(42));
  CHECK(wire.seen(OpKind::zcard, info, ":1\r\n") == Seen{Seen::Kind::length, 1});
  CHECK(wire.seen(OpKind::zrank, info, ":0\r\n") == kPresent);
  CHECK(wire.seen(OpKind::zrank, info, ":1\r\n") == kCorrupt);
  CHECK(wire.seen(OpKind::zrank, info, "$-1\r\n") == kAbsent);
}

TEST_CASE("a write's reply must be the one that follows the state before") {
  Wire wire;
  const KeyInfo text = info_of(Shape::compact, 8);
  CHECK(is_write_reply(text, write_op(OpKind::set, 5), wire("+OK\r\n")));
  CHECK_FALSE(is_write_reply(text, write_op(OpKind::set, 5), wire("$-1\r\n")));
  CHECK(is_write_reply(text, write_op(OpKind::set_get, 5), wire(record(4))));
  CHECK_FALSE(is_write_reply(text, write_op(OpKind::set_get, 5), wire(record(3))));
  CHECK(is_write_reply(text, write_op(OpKind::set_get, 9), wire("$-1\r\n")));
  CHECK_FALSE(is_write_reply(text, write_op(OpKind::set_get, 5), wire("$-1\r\n")));
  CHECK(is_write_reply(text, write_op(OpKind::del, 8), wire(":1\r\n")));
  CHECK_FALSE(is_write_reply(text, write_op(OpKind::del, 8), wire(":0\r\n")));
  const KeyInfo growing = info_of(Shape::records);
  CHECK(is_write_reply(growing, write_op(OpKind::append, 18), wire(":16\r\n")));
  CHECK_FALSE(is_write_reply(growing, write_op(OpKind::append, 18), wire(":8\r\n")));
  const KeyInfo elements = info_of(Shape::list, kCycle);
  const std::vector<std::string> popped(15, record(1));
  std::vector<std::string> reply{bulk("key"), list(popped)};
  CHECK(is_write_reply(elements, write_op(OpKind::pop, 32), wire(list(reply))));
  reply.back() = list({record(1)});
  CHECK_FALSE(is_write_reply(elements, write_op(OpKind::pop, 32), wire(list(reply))));
  CHECK_FALSE(is_write_reply(elements, write_op(OpKind::pop, 32), wire("*-1\r\n")));
}

TEST_CASE("a transaction's reply has one OK for each write") {
  Wire wire;
  const KeyInfo info = info_of(Shape::compact);
  CHECK(is_write_reply(info, write_op(OpKind::exec_set, 5, 2), wire("*2\r\n+OK\r\n+OK\r\n")));
  CHECK_FALSE(is_write_reply(info, write_op(OpKind::exec_set, 5, 2), wire("*1\r\n+OK\r\n")));
  CHECK_FALSE(is_write_reply(info, write_op(OpKind::exec_set, 5, 2), wire("*-1\r\n")));
  CHECK(is_write_reply(info, write_op(OpKind::exec_watch, 5), wire("*-1\r\n")));
  CHECK(is_write_reply(info, write_op(OpKind::exec_watch, 5), wire("*1\r\n+OK\r\n")));
  CHECK_FALSE(is_write_reply(info, write_op(OpKind::exec_watch, 5), wire("*1\r\n-ERR\r\n")));
}

TEST_CASE("every kind of operation has a name of its own") {
  std::vector<std::string_view> names;
  for (int kind = 0; kind <= static_cast<int>(OpKind::hello); ++kind) {
    names.push_back(name_of(static_cast<OpKind>(kind)));
    CHECK_FALSE(names.back().empty());
  }
  CHECK(names[static_cast<std::size_t>(OpKind::zrange)] == "ZRANGE");
  CHECK(names[static_cast<std::size_t>(OpKind::exec_watch)] == "EXEC(WATCH)");
  CHECK(names.back() == "HELLO");
}

}  // namespace tiercache::verify
