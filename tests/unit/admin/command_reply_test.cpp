#include "command_reply.hpp"

#include "tiercache/command/cache_docs.hpp"
#include "tiercache/resp/reply_scanner.hpp"

#include <vector>

#include <doctest/doctest.h>

namespace tiercache::admin {

using resp::Version;

namespace {

std::string added(std::vector<std::string_view> args, std::string upstream,
                  Version version = Version::resp2) {
  return with_cache_command(args, std::move(upstream), version);
}

bool one_frame(std::string_view bytes) {
  resp::ReplyScanner scanner;
  const auto step = scanner.scan(bytes);
  return step.status == resp::ParseStatus::complete && step.consumed == bytes.size();
}

}  // namespace

TEST_CASE("COMMAND COUNT counts one more") {
  CHECK(added({"COMMAND", "count"}, ":240\r\n") == ":241\r\n");
}

TEST_CASE("COMMAND and COMMAND INFO list one more") {
  for (const Version version : {Version::resp2, Version::resp3}) {
    const std::string all = added({"command"}, "*1\r\n*1\r\n$3\r\nget\r\n", version);
    CHECK(all.starts_with("*2\r\n*1\r\n$3\r\nget\r\n*10\r\n$5\r\ncache\r\n"));
    CHECK(one_frame(all));
    CHECK(all == added({"COMMAND", "INFO"}, "*1\r\n*1\r\n$3\r\nget\r\n", version));
  }
}

TEST_CASE("COMMAND INFO puts CACHE where it was asked for") {
  const std::string reply =
      added({"COMMAND", "INFO", "CACHE", "x", "cache|flush"}, "*3\r\n$-1\r\n*-1\r\n$-1\r\n");
  CHECK(reply.starts_with("*3\r\n*10\r\n$5\r\ncache\r\n:-2\r\n"));
  CHECK(reply.find("*-1\r\n*10\r\n$11\r\ncache|flush\r\n:-2\r\n") != std::string::npos);
  CHECK(one_frame(reply));
}

TEST_CASE("COMMAND DOCS has CACHE among all, or if it is named") {
  const std::string two = added({"COMMAND", "DOCS"}, "*2\r\n$1\r\na\r\n*0\r\n");
  CHECK(two.starts_with("*4\r\n$1\r\na\r\n*0\r\n$5\r\ncache\r\n"));
  CHECK(one_frame(two));
  const std::string three = added({"COMMAND", "DOCS", "cache"}, "%0\r\n", Version::resp3);
  CHECK(three.starts_with("%1\r\n$5\r\ncache\r\n%4\r\n"));
  CHECK(one_frame(three));
  CHECK(added({"COMMAND", "DOCS", "get"}, "*0\r\n") == "*0\r\n");
  // Once, however often it is named.
  CHECK(added({"COMMAND", "DOCS", "cache", "CACHE"}, "*0\r\n").starts_with("*2\r\n"));
}

TEST_CASE("COMMAND LIST names CACHE and its subcommands, filtered as the others are") {
  const auto all = command::cache_subcommand_docs().size() + 1;
  CHECK(added({"COMMAND", "LIST"}, "*1\r\n$1\r\na\r\n")
            .starts_with(std::string("*")
                             .append(std::to_string(all + 1))
                             .append("\r\n$1\r\na\r\n$5\r\ncache\r\n")));
  CHECK(added({"COMMAND", "LIST", "FILTERBY", "PATTERN", "CACHE|S*"}, "*0\r\n") ==
        "*2\r\n$13\r\ncache|slowlog\r\n$11\r\ncache|stats\r\n");
  CHECK(added({"COMMAND", "LIST", "FILTERBY", "MODULE", "x"}, "*0\r\n") == "*0\r\n");
  CHECK(added({"COMMAND", "LIST", "FILTERBY", "ACLCAT", "read"}, "*0\r\n") == "*0\r\n");
}

TEST_CASE("what is not understood comes back as it is") {
  const std::vector<std::vector<std::string_view>> requests{
      {"COMMAND"},         {"COMMAND", "INFO", "cache"}, {"COMMAND", "COUNT"},
      {"COMMAND", "DOCS"}, {"COMMAND", "LIST"},          {"COMMAND", "GETKEYS", "GET", "a"}};
  for (const auto& request : requests) {
    for (const char* reply : {"-ERR no\r\n", "+QUEUED\r\n", "", "\r\n", "*\r\n", "*x\r\n", "_\r\n",
                              "$1\r\na\r\n", "*99999999999999999999\r\n", "*-1\r\n", ":x\r\n"}) {
      CAPTURE(reply);
      CHECK(added(request, reply) == reply);
    }
  }
  CHECK(added({"COMMAND", "INFO", "cache"}, "*1\r\n$5\r\nab") == "*1\r\n$5\r\nab");
  CHECK(added({"COMMAND", "INFO", "cache"}, "*1\r\n:1\r\n:2\r\n") == "*1\r\n:1\r\n:2\r\n");
  CHECK(added({"COMMAND", "INFO", "cache"}, "*2\r\n:1\r\n:2\r\n") == "*2\r\n:1\r\n:2\r\n");
}

}  // namespace tiercache::admin
