// What is asked about an entry, and which answers agree with it. (That Redis answers so is seen by
// tests/live/audit_test.cpp.)
#include "question.hpp"

#include "tiercache/command/table.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::observe;
using l2::Reply;

namespace {

using Words = std::vector<std::string>;

std::optional<Question> ask(std::string_view key, const l1::Variant& variant,
                            std::string_view frame) {
  return question_about(key, variant, l1::Reply::of(frame));
}

l1::Variant variant_of(std::string_view name, std::string_view args = {}) {
  const command::Table& table = *command::Table::builtin();
  const command::Command* found = table.find_name(name);
  REQUIRE(found != nullptr);
  return {static_cast<std::uint16_t>(found - table.commands().data()), 0, args};
}

Reply text(std::string bytes) {
  return {.kind = Reply::Kind::text, .text = std::move(bytes)};
}
Reply number(std::int64_t value) {
  return {.kind = Reply::Kind::integer, .integer = value};
}
Reply error(std::string message) {
  return {.kind = Reply::Kind::error, .text = std::move(message)};
}

}  // namespace

TEST_CASE("a string is asked for up to one byte more than it has") {
  const auto question = ask("k", variant_of("get"), "$5\r\na\r\nbc\r\n");
  REQUIRE(question);
  CHECK(question->words == Words{"GETRANGE", "k", "0", "5"});
  CHECK(compare(*question, text("a\r\nbc")) == Answer::equal);
  CHECK(compare(*question, text("a\r\nbx")) == Answer::differs);
  CHECK(compare(*question, text("a\r\nbcd")) == Answer::differs);
  CHECK(compare(*question, text("a\r\nb")) == Answer::differs);
  CHECK(compare(*question, text("")) == Answer::differs);
}

TEST_CASE("a missing key and an empty string are told apart from everything else") {
  const auto missing = ask("k", variant_of("get"), "$-1\r\n");
  REQUIRE(missing);
  CHECK(missing->words == Words{"EXISTS", "k"});
  CHECK(compare(*missing, number(0)) == Answer::equal);
  CHECK(compare(*missing, number(1)) == Answer::differs);
  const auto empty = ask("k", variant_of("get"), "$0\r\n\r\n");
  REQUIRE(empty);
  CHECK(empty->words == Words{"BITPOS", "k", "0"});
  CHECK(compare(*empty, number(-1)) == Answer::equal);
  CHECK(compare(*empty, number(0)) == Answer::differs);
}

TEST_CASE("replies that are a number or a word are asked for by their own command") {
  for (const char* name : {"strlen", "exists", "hlen", "scard"}) {
    const auto question = ask("k", variant_of(name), ":12\r\n");
    REQUIRE(question);
    CHECK(question->words == Words{name, "k"});
    CHECK(compare(*question, number(12)) == Answer::equal);
    CHECK(compare(*question, number(13)) == Answer::differs);
  }
  const auto type = ask("k", variant_of("type"), "+string\r\n");
  REQUIRE(type);
  CHECK(compare(*type, {.kind = Reply::Kind::status, .text = "string"}) == Answer::equal);
  CHECK(compare(*type, {.kind = Reply::Kind::status, .text = "none"}) == Answer::differs);
}

TEST_CASE("another type differs, any other error says nothing") {
  const auto question = ask("k", variant_of("get"), "$1\r\na\r\n");
  REQUIRE(question);
  CHECK(compare(*question, error("WRONGTYPE Operation against a key")) == Answer::differs);
  CHECK(compare(*question, error("NOPERM this user has no permissions")) == Answer::none);
  CHECK(compare(*question, error("LOADING Redis is loading")) == Answer::none);
}

TEST_CASE("what may be of any size, or in any order, is not asked for") {
  const std::string large(kLargestCompared + 1, 'v');
  const std::string frame = "$" + std::to_string(large.size()) + "\r\n" + large + "\r\n";
  CHECK_FALSE(ask("k", variant_of("get"), frame));
  CHECK_FALSE(ask("k", variant_of("hgetall"), "*2\r\n$1\r\na\r\n$1\r\nb\r\n"));
  CHECK_FALSE(ask("k", variant_of("hget", "f"), "$1\r\na\r\n"));
  CHECK_FALSE(ask("k", variant_of("getbit", "7"), ":1\r\n"));
  CHECK_FALSE(ask("k", variant_of("mget"), "$-1\r\n"));
}

TEST_CASE("replies that make no sense ask nothing") {
  for (const char* reply : {"", "$", "$1", "$x\r\n", "$3\r\nab\r\n", "$1\r\nab\r\n", "*0\r\n"}) {
    CAPTURE(std::string(reply));
    CHECK_FALSE(ask("k", variant_of("get"), reply));
  }
  CHECK_FALSE(ask("k", variant_of("strlen"), ":x\r\n"));
  CHECK_FALSE(ask("k", {4095, 0, {}}, ":1\r\n"));
}
