#include "verify/replies.hpp"

#include <string>

#include <doctest/doctest.h>

namespace tiercache::verify {
namespace {

using Status = ReplyParser::Status;

struct Parsed {
  Status status;
  std::size_t used = 0;
  Reply reply{};
};
Parsed parse(ReplyParser& parser, std::string_view in) {
  Parsed parsed{Status::broken};
  parsed.status = parser.parse(in, parsed.used, parsed.reply);
  return parsed;
}

}  // namespace

TEST_CASE("scalars of both protocols") {
  ReplyParser parser;
  CHECK(parse(parser, "+OK\r\n").reply.is("OK"));
  CHECK(parse(parser, "-ERR no\r\n").reply.kind == Reply::Kind::error);
  CHECK(parse(parser, ":-12\r\n").reply.integer == -12);
  CHECK(parse(parser, "$2\r\na\r\n\r\n").status == Status::broken);
  CHECK(parse(parser, "$4\r\na\r\nb\r\n").reply.text == "a\r\nb");
  CHECK(parse(parser, "$-1\r\n").reply.kind == Reply::Kind::nil);
  CHECK(parse(parser, "*-1\r\n").reply.kind == Reply::Kind::nil);
  CHECK(parse(parser, "_\r\n").reply.kind == Reply::Kind::nil);
  CHECK(parse(parser, ",17\r\n").reply.text == "17");
  CHECK(parse(parser, "#t\r\n").reply.integer == 1);
}

TEST_CASE("aggregates become a flat list, whatever is behind them stays") {
  ReplyParser parser;
  const std::string whole = "*3\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n%1\r\n+k\r\n,2\r\n";
  const std::string in = whole + "+rest";
  const Parsed parsed = parse(parser, in);
  CHECK(parsed.status == Status::whole);
  REQUIRE(parsed.reply.items.size() == 5);
  CHECK(parsed.reply.items[0].text == "a");
  CHECK(parsed.reply.items[2].kind == Reply::Kind::nil);
  CHECK(parsed.reply.items[4].text == "2");
  CHECK(parsed.used == whole.size());
  CHECK(parse(parser, "*0\r\n").reply.items.empty());
  CHECK(parse(parser, ">2\r\n+a\r\n+b\r\n").reply.kind == Reply::Kind::push);
}

TEST_CASE("every proper prefix of a reply is partial") {
  ReplyParser parser;
  const std::string whole = "*3\r\n$5\r\nhello\r\n:7\r\n%1\r\n+a\r\n_\r\n";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(parse(parser, std::string_view(whole).substr(0, size)).status == Status::partial);
  }
  CHECK(parse(parser, whole).status == Status::whole);
}

TEST_CASE("what is no reply is broken") {
  ReplyParser parser;
  for (const char* text :
       {"hello\r\n", "$x\r\n", ":\r\n", ":1a\r\n", "$-2\r\n", "*-2\r\n", "+a\rb\r\n",
        "$99999999999\r\n", "*2000000\r\n:1\r\n?\r\n", "$2\r\nabcd\r\n"}) {
    CAPTURE(text);
    CHECK(parse(parser, text).status == Status::broken);
  }
}

TEST_CASE("nesting and size are limited") {
  ReplyParser parser;
  std::string deep;
  for (int i = 0; i < ReplyParser::kMaxDepth + 2; ++i) {
    deep += "*1\r\n";
  }
  CHECK(parse(parser, deep + ":1\r\n").status == Status::broken);
  std::string wide = "*";
  wide.append(std::to_string(ReplyParser::kMaxItems + 1)).append("\r\n");
  for (std::size_t i = 0; i <= ReplyParser::kMaxItems; ++i) {
    wide += ":1\r\n";
  }
  CHECK(parse(parser, wide).status == Status::broken);
}

}  // namespace tiercache::verify
