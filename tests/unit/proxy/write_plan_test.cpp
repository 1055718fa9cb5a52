#include "write_plan.hpp"

#include <initializer_list>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache::proxy;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kNow{1'700'000'000'000};

WritePlan plan(std::string_view name, std::vector<std::string_view> args,
               milliseconds l2_ttl = milliseconds(0)) {
  REQUIRE(can_write_to_source(name));
  return plan_write(name, args, {l2_ttl, kNow, "these keys"});
}

// The words of the requests, with blanks between and ';' behind each.
std::string sent(const WritePlan& plan) {
  std::string text;
  for (std::string_view request : plan.requests) {
    bool word = false;
    while (!request.empty()) {
      const auto end = request.find("\r\n");
      if (word) {
        text.append(request.substr(0, end)).append(" ");
      }
      word = request[0] == '$' && !word;
      request.remove_prefix(end + 2);
    }
    text.back() = ';';
  }
  return text;
}

std::string error_of(std::string_view name, std::vector<std::string_view> args) {
  return plan(name, std::move(args)).error;
}

}  // namespace

TEST_CASE("what is set without a time of its own gets the namespace's") {
  const WritePlan plain = plan("set", {"set", "k", "v"});
  CHECK(plain.error.empty());
  CHECK(sent(plain) == "SET k v;");
  REQUIRE(plain.keys.size() == 1);
  CHECK(plain.keys[0].name == "k");
  CHECK(plain.keys[0].value == "v");
  CHECK(sent(plan("set", {"set", "k", "v"}, milliseconds(5000))) == "SET k v PX 5000;");
  CHECK(sent(plan("set", {"SET", "k", "v", "ex", "7"}, milliseconds(5000))) == "SET k v ex 7;");
  CHECK(sent(plan("setex", {"setex", "k", "7", "v"}, milliseconds(5000))) == "setex k 7 v;");
  CHECK(plan("psetex", {"psetex", "k", "7", "v"}).keys[0].value == "v");
  CHECK(sent(plan("mset", {"mset", "a", "1", "b", "2"})) == "mset a 1 b 2;");
  const WritePlan both = plan("mset", {"mset", "a", "1", "b", "2"}, milliseconds(5000));
  CHECK(sent(both) == "mset a 1 b 2;PEXPIRE a 5000;PEXPIRE b 5000;");
  CHECK(both.keys.size() == 2);
  CHECK(both.keys[1].value == "2");
}

TEST_CASE("removals are one request a key, so that each says whether it was there") {
  const WritePlan both = plan("del", {"del", "a", "b"}, milliseconds(5000));
  CHECK(sent(both) == "del a;del b;");
  CHECK(both.reply == WritePlan::Reply::removed);
  CHECK_FALSE(both.keys[0].value);
  CHECK(sent(plan("unlink", {"UNLINK", "a"})) == "UNLINK a;");
}

TEST_CASE("what Redis would refuse is refused before the source is asked, in its words") {
  CHECK(error_of("set", {"set", "k", "v", "ex"}) == "ERR syntax error");
  CHECK(error_of("set", {"set", "k", "v", "ex", "1", "px", "1"}) == "ERR syntax error");
  CHECK(error_of("set", {"set", "k", "v", "sometime"}) == "ERR syntax error");
  CHECK(error_of("set", {"set", "k", "v", "ex", "x"}) ==
        "ERR value is not an integer or out of range");
  for (const std::string_view time : {"0", "-1", "9223372036854775807"}) {
    CAPTURE(time);
    CHECK(error_of("set", {"set", "k", "v", "ex", time}) ==
          "ERR invalid expire time in 'set' command");
    CHECK(error_of("setex", {"setex", "k", time, "v"}) ==
          "ERR invalid expire time in 'setex' command");
    CHECK(error_of("psetex", {"psetex", "k", time, "v"}) ==
          "ERR invalid expire time in 'psetex' command");
  }
  CHECK(error_of("set", {"set", "k", "v", "pxat", "1700000000001"}).empty());
  CHECK(error_of("mset", {"mset", "a", "1", "b"}) ==
        "ERR wrong number of arguments for 'mset' command");
}

TEST_CASE("what depends on what is there is refused") {
  for (const std::string_view option : {"nx", "XX", "get", "keepttl"}) {
    CAPTURE(option);
    CHECK(error_of("set", {"set", "k", "v", option}).ends_with("is not for these keys"));
  }
  for (const char* name : {"append", "getset", "getdel", "incr", "msetnx", "setnx", "setrange",
                           "expire", "hset", "restore"}) {
    CAPTURE(name);
    CHECK_FALSE(can_write_to_source(name));
  }
}

TEST_CASE("what changes only how long Redis keeps its copy is no write to the source") {
  for (const char* name : {"expire", "expireat", "persist", "pexpire", "pexpireat"}) {
    CHECK(is_of_copy_alone(name));
    CHECK_FALSE(can_write_to_source(name));
  }
  for (const char* name : {"set", "del", "getex", "setnx", "incr", "append", ""}) {
    CHECK_FALSE(is_of_copy_alone(name));
  }
}
