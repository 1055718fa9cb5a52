#include "tiercache/local/keyspace.hpp"

#include "tiercache/command/table.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::local;

namespace {

struct World {
  Keyspace keyspace;
  milliseconds now{1'000'000};

  explicit World(milliseconds ttl = milliseconds(0), std::size_t max_memory = 1 << 20)
      : keyspace({{"one", max_memory, 1000, ttl}, {"other", 1 << 20, 1000, {}}}, 7) {
  }
  std::string run(const std::vector<std::string>& words, std::uint16_t space = 0) {
    const std::vector<std::string_view> args(words.begin(), words.end());
    const command::Command& command = *command::Table::builtin()->find(args);
    std::vector<command::KeyRef> keys;
    REQUIRE(command::keys(command, args, keys));
    const std::vector<std::uint16_t> spaces(keys.size(), space);
    Ask ask;
    ask.verb = verb_of(command.name);
    ask.command = command.name;
    ask.args = args;
    ask.spaces = spaces;
    ask.now = now;
    std::string out;
    keyspace.run(ask, out);
    return out;
  }
};

constexpr const char* kNil = "$-1\r\n";

}  // namespace

TEST_CASE("a key is there until the millisecond of its end is over") {
  World world;
  CHECK(world.run({"set", "k", "v", "px", "10"}) == "+OK\r\n");
  CHECK(world.run({"pttl", "k"}) == ":10\r\n");
  world.now += milliseconds(10);
  CHECK(world.run({"pttl", "k"}) == ":0\r\n");
  CHECK(world.run({"get", "k"}) == "$1\r\nv\r\n");
  world.now += milliseconds(1);
  CHECK(world.run({"get", "k"}) == kNil);
  CHECK(world.run({"ttl", "k"}) == ":-2\r\n");
  CHECK(world.keyspace.totals(0).expired == 1);
  CHECK(world.keyspace.totals(0).entries == 0);
}

TEST_CASE("TTL is rounded, and an end in the past is one") {
  World world;
  world.run({"set", "k", "v", "px", "1499"});
  CHECK(world.run({"ttl", "k"}) == ":1\r\n");
  world.now -= milliseconds(1);
  CHECK(world.run({"ttl", "k"}) == ":2\r\n");
  CHECK(world.run({"set", "k", "w", "pxat", "5"}) == "+OK\r\n");
  CHECK(world.run({"get", "k"}) == kNil);
  world.run({"set", "k", "v"});
  CHECK(world.run({"pexpireat", "k", std::to_string(world.now.count())}) == ":1\r\n");
  CHECK(world.run({"exists", "k"}) == ":0\r\n");
}

TEST_CASE("a space's TTL counts from each write, and what keeps the TTL keeps it") {
  World world(milliseconds(100));
  world.run({"set", "k", "5"});
  world.now += milliseconds(60);
  CHECK(world.run({"incr", "k"}) == ":6\r\n");
  CHECK(world.run({"pttl", "k"}) == ":40\r\n");
  CHECK(world.run({"set", "k", "7", "keepttl"}) == "+OK\r\n");
  CHECK(world.run({"pttl", "k"}) == ":40\r\n");
  CHECK(world.run({"set", "k", "7"}) == "+OK\r\n");
  CHECK(world.run({"pttl", "k"}) == ":100\r\n");
  CHECK(world.run({"expire", "k", "10"}) == ":1\r\n");
  CHECK(world.run({"pttl", "k"}) == ":100\r\n");
  CHECK(world.run({"pexpire", "k", "10"}) == ":1\r\n");
  CHECK(world.run({"pttl", "k"}) == ":10\r\n");
  CHECK(world.run({"persist", "k"}) == ":1\r\n");
  CHECK(world.run({"pttl", "k"}) == ":100\r\n");
}

TEST_CASE("a time beyond the year 2262 is invalid") {
  World world;
  CHECK(world.run({"set", "k", "v", "pxat", "9223372036001"}) ==
        "-ERR invalid expire time in 'set' command\r\n");
  CHECK(world.run({"set", "k", "v", "pxat", "9223372036000"}) == "+OK\r\n");
  CHECK(world.run({"expire", "k", "9223372036"}) ==
        "-ERR invalid expire time in 'expire' command\r\n");
}

TEST_CASE("spaces do not share keys or room") {
  World world(milliseconds(0), 65536);
  world.run({"set", "k", "one"}, 0);
  CHECK(world.run({"get", "k"}, 1) == kNil);
  world.run({"set", "k", "other"}, 1);
  for (int i = 0; i < 500; i++) {
    CHECK(world.run({"set", "k" + std::to_string(i), std::string(1000, 'x')}) == "+OK\r\n");
  }
  const Totals totals = world.keyspace.totals(0);
  CHECK(totals.bytes <= 65536);
  CHECK(totals.evictions > 400);
  CHECK(totals.entries + totals.evictions == 501);
  CHECK(world.run({"get", "k"}, 1) == "$5\r\nother\r\n");
  CHECK(world.keyspace.totals(1).evictions == 0);
}

TEST_CASE("MSET of too large a value changes nothing") {
  World world;
  world.run({"set", "a", "old"});
  CHECK(world.run({"mset", "a", "new", "b", std::string(1001, 'x')}) ==
        "-ERR tiercache: namespace 'one' keeps values of at most 1000 bytes\r\n");
  CHECK(world.run({"mget", "a", "b"}) == "*2\r\n$3\r\nold\r\n$-1\r\n");
}

TEST_CASE("what is no key of the proxy's has no verb") {
  CHECK(verb_of("hset") == Verb::none);
  CHECK(verb_of("get") == Verb::get);
  for (const std::string_view part : {"decr", "unlink", "psetex"}) {
    CHECK(verb_names().find(part) != std::string::npos);
  }
}

// Two threads write pairs, two read them: no MGET sees half of an MSET.
TEST_CASE("a command on several keys is atomic") {
  World world;
  std::vector<std::thread> threads;
  std::atomic<int> torn{0};
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&world, &torn, t] {
      const std::vector<std::uint16_t> spaces(2, 0);
      for (int i = 0; i < 20'000; i++) {
        const std::string value = std::to_string(t * 100'000 + i);
        const std::string_view set[] = {"mset", "a", value, "b", value};
        const std::string_view get[] = {"mget", "b", "a"};
        Ask ask;
        ask.verb = t % 2 == 0 ? Verb::mset : Verb::mget;
        ask.command = t % 2 == 0 ? "mset" : "mget";
        ask.args = t % 2 == 0 ? command::Args(set) : command::Args(get);
        ask.spaces = spaces;
        ask.now = world.now;
        std::string out;
        world.keyspace.run(ask, out);
        if (t % 2 == 1) {
          const std::string all = out.substr(4);
          torn += all.substr(0, all.size() / 2) != all.substr(all.size() / 2) ? 1 : 0;
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(torn == 0);
  CHECK(world.keyspace.totals(0).writes == 80'000);
}
