// Namespaces as a client and an operator see them, through the real program.
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

constexpr const char* kNamespaces =
    "[[namespace]]\nname = \"passed\"\nmatch = [\"p:*\"]\ntiers = \"l2\"\n"
    "[[namespace]]\nname = \"brief\"\nmatch = [\"b:*\"]\nttl_ms = 300\nnegative_ttl_ms = 100\n"
    "[[namespace]]\nname = \"small\"\nmatch = [\"s:*\"]\nmax_value = 16\ncommands = [\"get\"]\n"
    "[[namespace]]\nname = \"fenced\"\nmatch = [\"f:*\"]\nmax_staleness_ms = 0\n"
    "[[namespace]]\nname = \"jittered\"\nmatch = [\"j:*\"]\nttl_ms = 100000\njitter_percent = 50\n";

std::string conf(const char* name) {
  std::ifstream file(std::string(TIERCACHE_CONF_DIR "/") + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct World {
  RedisServer redis;
  TiercacheProcess proxy;
  Client client;

  explicit World(const std::string& text = kNamespaces)
      : proxy(redis.port(), {"threads=1"}, text), client(proxy.port()) {
    proxy.wait_live();
  }
  bool cached(const std::string& key) {
    return client.call("CACHE", "KEY", key).find("state")->text == "cached";
  }
  std::int64_t ttl(const std::string& key) {
    const Value entries = *client.call("CACHE", "KEY", key).find("entries");
    return entries.items.empty() ? -1 : entries.items[0].find("ttl_ms")->integer;
  }
  // Reads until L1 has it.
  void cache(const std::string& key) {
    client.settle();
    REQUIRE(eventually([&] {
      client.call("GET", key);
      return cached(key);
    }));
  }
  // Fills L1 with all that Redis has of such keys.
  void warm(const std::string& pattern) {
    CHECK(client.call("CACHE", "WARM", "START", pattern).text == "OK");
    REQUIRE(eventually(
        [&] { return client.call("CACHE", "WARM", "STATUS").find("state")->text == "done"; }));
  }
  // A counter of the namespace's line in CACHE STATS.
  std::int64_t counted(const std::string& space, const std::string& what) {
    const Value stats = client.call("CACHE", "STATS");
    const Value* line = stats.find("namespace_" + space);
    REQUIRE(line != nullptr);
    const std::string text = "," + line->text;
    const auto at = text.find("," + what + "=");
    REQUIRE(at != std::string::npos);
    return std::stoll(text.substr(at + what.size() + 2));
  }
};

}  // namespace

TEST_CASE("a namespace of tier l2 is never answered from L1, alone or with others") {
  World world;
  world.client.call("SET", "p:1", "v");
  world.client.call("SET", "k", "v");
  world.client.settle();
  for (int i = 0; i < 5; i++) {
    CHECK(world.client.call("GET", "p:1").text == "v");
    CHECK(world.client.call("MGET", "k", "p:1").items.size() == 2);
    CHECK(world.client.call("TTL", "p:1").integer == -1);
  }
  CHECK_FALSE(world.cached("p:1"));
  CHECK(world.counted("passed", "hits") == 0);
  CHECK(world.counted("passed", "misses") == 0);
  CHECK(world.counted("passed", "passed") == 15);
  CHECK(world.counted("passed", "writes") == 1);
  const Value explained = world.client.call("CACHE", "EXPLAIN", "p:1");
  CHECK(explained.find("namespace")->text == "passed");
  CHECK(explained.find("tiers")->text == "l2");
  CHECK(explained.find("not_from_l1_because")->text == "its namespace lives in Redis only");
}

TEST_CASE("a namespace's TTLs end its entries, and leave those of others alone") {
  World world;
  world.client.call("SET", "b:1", "v");
  world.client.call("SET", "k", "v");
  world.cache("k");
  world.cache("b:1");
  CHECK(world.ttl("b:1") <= 300);
  CHECK(world.ttl("k") > 3'000'000);
  CHECK(eventually([&] { return !world.cached("b:1"); }));
  CHECK(world.cached("k"));
  // A missing key.
  CHECK(world.client.call("GET", "b:none").is_nil());
  CHECK(world.ttl("b:none") <= 100);
  CHECK(eventually([&] { return !world.cached("b:none"); }));
  // An MGET's fills have them too.
  world.client.call("MGET", "b:1", "k");
  CHECK(world.ttl("b:1") <= 300);
}

TEST_CASE("Redis's own TTL goes before a longer one of the namespace") {
  World world;
  world.client.call("SET", "j:1", "v", "PX", "60000");
  world.cache("j:1");
  CHECK(world.ttl("j:1") <= 60'000);
}

TEST_CASE("a namespace's size limit and list of commands say what is kept") {
  World world;
  world.client.call("SET", "s:large", std::string(64, 'x'));
  world.client.call("SET", "s:small", "v");
  world.client.call("HSET", "s:hash", "f", "v");
  world.client.call("HSET", "hash", "f", "v");
  world.client.settle();
  world.cache("s:small");
  for (int i = 0; i < 3; i++) {
    CHECK(world.client.call("GET", "s:large").text.size() == 64);
    CHECK(world.client.call("HGET", "s:hash", "f").text == "v");
    CHECK(world.client.call("HGET", "hash", "f").text == "v");
  }
  CHECK_FALSE(world.cached("s:large"));
  CHECK_FALSE(world.cached("s:hash"));
  CHECK(world.cached("hash"));
  CHECK(world.client.call("CACHE", "EXPLAIN", "s:x").find("commands")->text == "get");
  CHECK(world.client.call("CACHE", "EXPLAIN", "s:x").find("max_value")->integer == 16);
}

TEST_CASE("jitter spreads the ends of entries that were filled together") {
  World world;
  std::int64_t least = 1'000'000;
  std::int64_t most = 0;
  for (int i = 0; i < 50; i++) {
    const std::string key = "j:" + std::to_string(i);
    world.client.call("SET", key, "v");
    world.cache(key);
    least = std::min(least, world.ttl(key));
    most = std::max(most, world.ttl(key));
  }
  CHECK(least >= 49'000);
  CHECK(most <= 100'000);
  CHECK(most - least > 20'000);
}

TEST_CASE("a namespace may ask for a fence before each hit, whatever the others have") {
  World world;
  world.client.call("SET", "f:1", "v");
  world.client.call("SET", "k", "v");
  world.cache("k");
  world.cache("f:1");
  const auto waits = world.proxy.stat("fence_waits");
  CHECK(world.client.call("GET", "k").text == "v");
  CHECK(world.proxy.stat("fence_waits") == waits);
  const auto hits = world.counted("fenced", "hits");
  CHECK(world.client.call("GET", "f:1").text == "v");
  CHECK(world.proxy.stat("fence_waits") == waits + 1);
  CHECK(world.counted("fenced", "hits") == hits + 1);
}

TEST_CASE("CACHE EXPLAIN tells the settings in force and what happened to the key last") {
  World world;
  world.client.call("SET", "b:1", "v");
  world.cache("b:1");
  const Value answer = world.client.call("CACHE", "EXPLAIN", "b:1");
  CHECK(answer.find("namespace")->text == "brief");
  CHECK(answer.find("match")->text == "b:*");
  CHECK(answer.find("ttl_ms")->integer == 300);
  CHECK(answer.find("negative_ttl_ms")->integer == 100);
  CHECK(answer.find("not_from_l1_because")->text.empty());
  REQUIRE(answer.find("last")->items.size() >= 2);
  CHECK(answer.find("last")->items[0].find("what")->text == "committed");
  CHECK(answer.find("last")->items[0].find("ms_ago")->integer >= 0);
  const Value other = world.client.call("CACHE", "EXPLAIN", "other");
  CHECK(other.find("namespace")->text.empty());
  CHECK(other.find("ttl_ms")->integer == 3'600'000);
  CHECK(other.find("last")->items.empty());
}

TEST_CASE("warming respects namespaces") {
  World world;
  world.client.call("SET", "p:1", "v");
  world.client.call("SET", "j:1", "v");
  world.client.settle();
  // On a busy machine L1 may be emptied just now: warmed again, then.
  REQUIRE(eventually([&] {
    CHECK(world.client.call("CACHE", "WARM", "START", "[pj]:*").text == "OK");
    REQUIRE(eventually([&] {
      return world.client.call("CACHE", "WARM", "STATUS").find("state")->text == "done";
    }));
    return world.cached("j:1");
  }));
  CHECK_FALSE(world.cached("p:1"));
  CHECK(world.ttl("j:1") <= 100'000);
}

TEST_CASE("a namespace beyond its share of L1 makes room for the others") {
  constexpr int kHot = 500;
  const std::string share = "l1_share_percent = 20\n";
  for (const std::string& given : {share, std::string()}) {
    CAPTURE(given);
    World world(
        "[l1]\nmax_entries = 2000\n[warm]\nrate = 1000000\n"
        "[[namespace]]\nname = \"noisy\"\nmatch = [\"n:*\"]\n" +
        given);
    Client direct(world.redis.port());
    direct.call("DEBUG", "POPULATE", std::to_string(kHot), "h");
    direct.call("DEBUG", "POPULATE", "20000", "n");
    direct.call("DEBUG", "POPULATE", "20000", "o");
    int kept = 0;
    // On a busy machine L1 may be emptied just now: again, then.
    const bool as_expected = eventually([&] {
      world.warm("h:*");
      world.warm("n:*");
      kept = 0;
      for (int i = 0; i < kHot; i++) {
        kept += world.cached("h:" + std::to_string(i)) ? 1 : 0;
      }
      return world.proxy.stat("l1_entries") >= 1990 && kept == (given.empty() ? 0 : kHot);
    });
    CAPTURE(kept);
    CHECK(as_expected);
    CHECK(world.client.call("CACHE", "EXPLAIN", "n:1").find("l1_share_percent")->integer ==
          (given.empty() ? 0 : 20));
    if (given.empty()) {
      const Value stats = world.client.call("CACHE", "STATS");
      CHECK(stats.find("namespace_noisy")->text.find("share") == std::string::npos);
      continue;
    }
    // It has what the others leave, and gives it up when they ask.
    CHECK(world.counted("noisy", "share_percent") == 20);
    CHECK(world.counted("noisy", "entries") == world.proxy.stat("l1_entries") - kHot);
    CHECK(world.counted("noisy", "bytes") > 0);
    CHECK(world.counted("noisy", "evictions") >= 18'000);
    CHECK(eventually([&] {
      world.warm("n:*");
      world.warm("o:*");
      const auto entries = world.counted("noisy", "entries");
      return world.proxy.stat("l1_entries") >= 1990 && entries > 300 && entries < 360;
    }));
  }
}

TEST_CASE("the last line of the log's statistics is each namespace's") {
  World world;
  world.client.call("GET", "p:1");
  world.proxy.signal(SIGTERM);
  CHECK(world.proxy.wait_exit(std::chrono::seconds(60)) == 0);
  CHECK(world.proxy.log().find("namespace passed: hits=0,misses=0,fills=0,refused=0,passed=1") !=
        std::string::npos);
}

TEST_CASE("each row of trading.toml of tiers l1+l2 does what it says") {
  World world(conf("trading.toml"));
  struct Row {
    const char* key;
    const char* space;
    std::int64_t ttl_ms;
    std::int64_t least_ms;
    std::int64_t share = 0;
  };
  for (const Row& row : {
           Row{"symbol:EURUSD", "symbols", 3'600'000, 3'300'000},
           Row{"account:7", "accounts", 300'000, 270'000},
           Row{"lp:alpha", "providers", 600'000, 550'000},
           Row{"ohlc:EURUSD:2024", "history", 86'400'000, 77'000'000, 30},
           Row{"api:/v1/time", "api", 30'000, 25'000},
       }) {
    CAPTURE(row.key);
    world.client.call("SET", row.key, "v1");
    world.cache(row.key);
    CHECK(world.ttl(row.key) <= row.ttl_ms);
    CHECK(world.ttl(row.key) >= row.least_ms);
    CHECK(world.client.call("CACHE", "EXPLAIN", row.key).find("l1_share_percent")->integer ==
          row.share);
    CHECK(eventually([&] {
      const auto hits = world.counted(row.space, "hits");
      CHECK(world.client.call("GET", row.key).text == "v1");
      return world.counted(row.space, "hits") == hits + 1;
    }));
    // Kept for long, and yet never stale: Redis tells of a change.
    Client direct(world.redis.port());
    direct.call("SET", row.key, "v2");
    CHECK(eventually([&] { return world.client.call("GET", row.key).text == "v2"; }));
  }
}

TEST_CASE("each row of trading.toml of tier l1 does what it says") {
  World world(conf("trading.toml"));
  Client direct(world.redis.port());
  struct Row {
    const char* key;
    const char* space;
    std::int64_t ttl_ms;
  };
  for (const Row& row : {
           Row{"price:EURUSD", "prices", 1000},
           Row{"position:7", "positions", 100},
           Row{"book:EURUSD", "books", 100},
       }) {
    CAPTURE(row.key);
    CHECK(world.client.call("CACHE", "EXPLAIN", row.key).find("tiers")->text == "l1");
    const auto written = std::chrono::steady_clock::now();
    CHECK(world.client.call("SET", row.key, "v1").text == "OK");
    CHECK(direct.call("EXISTS", row.key).integer == 0);
    const std::int64_t left = world.client.call("PTTL", row.key).integer;
    CHECK(left != -1);
    CHECK(left <= row.ttl_ms);
    CHECK(eventually([&] { return world.client.call("GET", row.key).is_nil(); }));
    CHECK(std::chrono::steady_clock::now() - written > std::chrono::milliseconds(row.ttl_ms));
    CHECK(world.counted(row.space, "writes") == 1);
    CHECK(world.counted(row.space, "misses") >= 1);
  }
}

}  // namespace tiercache::testing
