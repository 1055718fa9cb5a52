// The self-audit in the real program: it finds what is wrong in memory, and nothing where nothing
// is, whatever is written meanwhile.
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <chrono>
#include <cstdint>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

constexpr std::chrono::milliseconds kPatience{60'000};

struct World {
  RedisServer redis;
  TiercacheProcess proxy;
  Client client;
  Client direct;

  explicit World(std::vector<std::string> sets)
      : proxy(redis.port(), std::move(sets)),
        client(proxy.port(), kPatience),
        direct(redis.port(), kPatience) {
    proxy.wait_live();
  }
  bool reaches(const std::string& counter, std::int64_t value) {
    return eventually([&] { return proxy.stat(counter) >= value; });
  }
};

std::string setting(const std::string& mode) {
  return "coherence.invalidation=" + mode;
}

std::string key_of(unsigned i) {
  return "key:" + std::to_string(i);
}

// Random reads and writes of the keys that the audit draws from, until told to stop.
void work(const std::stop_token& stop, std::uint16_t port, unsigned seed, int writes_of_ten) {
  constexpr unsigned kKeys = 100;
  Client client(port, kPatience);
  std::mt19937 random(seed);
  client.call("SELECT", seed % 2 == 0 ? "0" : "3");
  while (!stop.stop_requested()) {
    pause_briefly();
    const std::string key = key_of(static_cast<unsigned>(random() % kKeys));
    if (static_cast<int>(random() % 10) >= writes_of_ten) {
      client.call(random() % 4 == 0 ? "STRLEN" : "GET", key);
      continue;
    }
    const std::string value(random() % 20, static_cast<char>('a' + random() % 26));
    switch (random() % 6) {
      case 0:
        client.call("DEL", key);
        break;
      case 1:
        client.call("SET", key, value, "PX", std::to_string(1 + random() % 300));
        break;
      case 2:
        client.call("EVAL", "return redis.call('SET', ARGV[1], ARGV[2])", "0", key, value);
        break;
      case 3:
        client.call("APPEND", key, "x");
        break;
      default:
        client.call("SET", key, value);
    }
    if (random() % 2000 == 0) {
      client.call("FLUSHDB");
    }
  }
}

}  // namespace

TEST_CASE("the audit confirms every kind of entry that it can ask about") {
  World world(
      {"coherence.audit_per_s=1000", "l1.negative_ttl_ms=60000", "coherence.audit_trace=8"});
  world.client.call("SET", "text", "a\r\nb");
  world.client.call("SET", "empty", "");
  world.client.call("SET", "number", "12345");
  world.client.call("SET", "mortal", "x", "PX", "600000");
  world.client.call("RPUSH", "list", "a");
  world.client.settle();
  const std::vector<std::vector<std::string>> reads = {
      {"GET", "text"},    {"GET", "empty"},    {"GET", "number"}, {"GET", "mortal"},
      {"GET", "missing"}, {"STRLEN", "other"}, {"EXISTS", "list"}};
  const std::int64_t before = world.proxy.stat("audit_checked");
  // Memory may be emptied at any time: read again until enough was drawn.
  CHECK(eventually([&] {
    for (const auto& read : reads) {
      world.client.call(read);
    }
    return world.proxy.stat("audit_checked") >= before + 300;
  }));
  CHECK(world.proxy.stat("audit_stale") == 0);
  CHECK(world.proxy.stat("audit_unauditable") == 0);
  const std::string info = world.client.call("INFO", "tiers").text;
  CHECK(info.find("\r\naudit_checked:") != std::string::npos);
  CHECK(info.find("\r\naudit_stale:0\r\n") != std::string::npos);
}

// BITFIELD that fails and pads the string all the same tells nobody; see docs/operations.md.
TEST_CASE("the audit finds a change that Redis tells nobody of, and says how it came about") {
  for (const char* mode : {"keyspace", "tracking"}) {
    CAPTURE(std::string(mode));
    World world({setting(mode), "coherence.audit_per_s=1000"});
    world.client.call("SET", "k\n", "secret");
    world.client.settle();
    // Should memory be emptied in between, there is nothing to be found: once more, then.
    REQUIRE(eventually([&] {
      world.client.call("SET", "k\n", "secret");
      world.client.settle();
      world.client.call("GET", "k\n");
      world.client.call("GET", "k\n");
      world.direct.call("BITFIELD", "k\n", "OVERFLOW", "FAIL", "INCRBY", "u8", "800", "256");
      return eventually([&] { return world.proxy.stat("audit_stale") >= 1; },
                        std::chrono::seconds(2));
    }));
    // It was dropped.
    CHECK(eventually([&] { return world.client.call("GET", "k\n").text.size() == 101; }));
    const std::string log = world.proxy.log();
    CAPTURE(log);
    const auto at = log.find("audit: a stale entry: db 0 key \"k\\x0a\" get: memory says 6 bytes");
    REQUIRE(at != std::string::npos);
    const std::string line = log.substr(at, log.find('\n', at) - at);
    CHECK(line.find("Redis said 7 bytes") != std::string::npos);
    CHECK(line.find("begun") != std::string::npos);
    CHECK(line.find("committed") != std::string::npos);
    CHECK(log.find("secret") == std::string::npos);
  }
}

TEST_CASE("the audit finds nothing under load, in each way of invalidation") {
  for (const char* mode : {"keyspace", "tracking", "ttl"}) {
    CAPTURE(std::string(mode));
    World world({setting(mode), "coherence.audit_per_s=1000", "coherence.max_staleness_ms=300",
                 "coherence.heartbeat_ms=5"});
    {
      std::vector<std::jthread> threads;
      for (unsigned i = 0; i < 2; i++) {
        threads.emplace_back(work, world.proxy.port(), i, 2);
        threads.emplace_back(work, world.redis.port(), i, 10);
      }
      CHECK(world.reaches("audit_checked", 500));
      // Some of what was drawn had just been changed: the fence was needed.
      CHECK(world.reaches("audit_raced", 1));
    }
    const std::string log = world.proxy.log();
    CAPTURE(log);
    CHECK(world.proxy.stat("audit_stale") == 0);
  }
}

TEST_CASE("the audit can be switched off and on while it runs") {
  World world({"coherence.audit_per_s=0"});
  const auto read = [&] {
    world.client.call("GET", "k");
    return world.proxy.stat("audit_checked") > 0;
  };
  for (int i = 0; i < 20; i++) {
    CHECK_FALSE(read());
  }
  CHECK(world.client.call("CACHE", "CONFIG", "SET", "coherence.audit_per_s", "1000").text == "OK");
  CHECK(eventually(read));
  CHECK(world.client.call("CACHE", "CONFIG", "SET", "coherence.audit_per_s", "0").text == "OK");
}

}  // namespace tiercache::testing
