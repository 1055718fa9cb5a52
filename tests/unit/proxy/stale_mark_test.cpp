#include "stale_mark.hpp"

#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy;
using resp::Version;

namespace {

MarkWish wish(std::vector<std::string_view> args, Version version = Version::resp3) {
  REQUIRE(is_mark(args));
  return read_mark(args, version);
}

}  // namespace

TEST_CASE("the mark is an attribute, and there is none of what is fresh") {
  CHECK(stale_mark({}).empty());
  CHECK(stale_mark({true, 0}).empty());
  CHECK(
      stale_mark({false, 1}) ==
      "|2\r\n$15\r\ntiercache.stale\r\n:1\r\n$23\r\ntiercache.stale_because\r\n$7\r\nloading\r\n");
  CHECK(stale_mark({true, 12}) ==
        "|2\r\n$15\r\ntiercache.stale\r\n:12\r\n"
        "$23\r\ntiercache.stale_because\r\n$13\r\nsource_failed\r\n");
}

TEST_CASE("CACHE MARK ON and OFF, whatever their case") {
  const std::vector<std::string_view> others[] = {{"CACHE"}, {"CACHE", "STATS"}, {"MARK", "ON"}};
  for (const auto& other : others) {
    CHECK_FALSE(is_mark(other));
  }
  CHECK(wish({"cache", "mark", "on"}).on);
  CHECK(wish({"CACHE", "Mark", "ON"}).error.empty());
  CHECK_FALSE(wish({"CACHE", "MARK", "OFF"}).on);
  CHECK(wish({"CACHE", "MARK", "OFF"}, Version::resp2).error.empty());
  CHECK(wish({"CACHE", "MARK", "ON"}, Version::resp2).error.find("HELLO 3") !=
        std::string_view::npos);
  CHECK(wish({"CACHE", "MARK", "1"}).error.starts_with("ERR syntax error"));
  CHECK(wish({"CACHE", "MARK"}).error == "ERR wrong number of arguments for 'cache|mark' command");
  CHECK_FALSE(wish({"CACHE", "MARK", "ON", "ON"}).error.empty());
}
