#include "command_reply.hpp"

#include <string>

#include <doctest/doctest.h>

using tiercache::ErrorCode;
using tiercache::l2::read_command_reply;

namespace {

const std::string kGet =
    "*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*1\r\n+@read\r\n*0\r\n"
    "*1\r\n*2\r\n$5\r\nflags\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n+deep\r\n*0\r\n";
const std::string kOld = "*6\r\n$4\r\nping\r\n:-1\r\n*0\r\n:0\r\n:0\r\n:0\r\n";
const std::string kContainer =
    "*10\r\n$6\r\nclient\r\n:-2\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n*1\r\n"
    "*10\r\n$9\r\nclient|id\r\n:2\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n*0\r\n";

}  // namespace

TEST_CASE("commands are read with their subcommands behind them, whatever nests in between") {
  const auto commands = read_command_reply("*3\r\n" + kContainer + kGet + kOld);
  REQUIRE(commands);
  REQUIRE(commands.value().size() == 4);
  CHECK(commands.value()[0].name == "client");
  CHECK(commands.value()[1].name == "client|id");
  CHECK(commands.value()[1].arity == 2);
  const auto& get = commands.value()[2];
  CHECK(get.name == "get");
  CHECK(get.arity == 2);
  CHECK(get.flags == std::vector<std::string>{"readonly", "fast"});
  CHECK(get.first_key == 1);
  CHECK(get.last_key == 1);
  CHECK(get.step == 1);
  CHECK(commands.value()[3].name == "ping");
  CHECK(commands.value()[3].arity == -1);
}

TEST_CASE("entries that are null or too short are stepped over") {
  const auto commands = read_command_reply("*3\r\n*-1\r\n*1\r\n$3\r\nget\r\n" + kOld);
  REQUIRE(commands);
  REQUIRE(commands.value().size() == 1);
  CHECK(commands.value()[0].name == "ping");
}

TEST_CASE("an error of Redis is handed on") {
  const auto commands = read_command_reply("-NOPERM no\r\n");
  REQUIRE_FALSE(commands);
  CHECK(commands.error().code == ErrorCode::refused);
  CHECK(commands.error().detail == "-NOPERM no");
}

TEST_CASE("no cut and no odd number gets past the end of the reply") {
  const std::string whole = "*3\r\n" + kContainer + kGet + kOld;
  for (std::size_t size = 0; size < whole.size(); size++) {
    // A view of exactly so many bytes, so that a sanitizer sees one too many.
    const std::string cut(whole, 0, size);
    CHECK_FALSE(read_command_reply(cut));
  }
  for (const char* odd : {"*99999999999\r\n", "*1\r\n*6\r\n$999999999999\r\nx\r\n", "*1\r\n:1\r\n",
                          "*1\r\n*6\r\n$4\r\nping\r\n:99999999999999\r\n*0\r\n:0\r\n:0\r\n:0\r\n",
                          "*1\r\n*6\r\n$-1\r\n:x\r\n*0\r\n:0\r\n:0\r\n:0\r\n"}) {
    CAPTURE(odd);
    CHECK_FALSE(read_command_reply(odd));
  }
}
