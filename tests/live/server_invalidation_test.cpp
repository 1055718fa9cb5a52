// The ways of invalidation as a user of the program meets them.
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace std::chrono_literals;

namespace tiercache::testing {

namespace {

struct World {
  RedisServer redis;
  TiercacheProcess proxy;
  Client client;
  Client direct;

  explicit World(std::vector<std::string> sets, std::vector<std::string> redis_args = {})
      : redis(std::move(redis_args)),
        proxy(redis.port(), std::move(sets)),
        client(proxy.port()),
        direct(redis.port()) {
    proxy.wait_live();
  }
  // Reads until the answer came from memory.
  bool hit(const std::string& key) {
    return eventually([&] {
      const std::int64_t before = proxy.stat("l1_hits");
      client.call("GET", key);
      return proxy.stat("l1_hits") > before;
    });
  }
  // How many of ten reads were answered from memory.
  std::int64_t hits_of_ten(const std::string& key) {
    const std::int64_t before = proxy.stat("l1_hits");
    for (int i = 0; i < 10; i++) {
      client.call("GET", key);
    }
    return proxy.stat("l1_hits") - before;
  }
  std::string fact(const char* name) {
    const Value stats = client.call("CACHE", "STATS");
    const Value* value = stats.find(name);
    REQUIRE(value != nullptr);
    return value->text;
  }
  // Whether a write past the proxy is seen within the bound.
  bool sees_direct_write(const std::string& key, std::chrono::milliseconds bound) {
    direct.call("SET", key, "new");
    return eventually([&] { return client.call("GET", key).text == "new"; }, bound);
  }
};

std::string setting(const char* mode) {
  return std::string("coherence.invalidation=").append(mode);
}

}  // namespace

TEST_CASE("own writes are seen at once and direct ones within the bound, whatever the way") {
  for (const char* mode : {"auto", "keyspace", "tracking", "ttl"}) {
    const std::string shown = mode;
    CAPTURE(shown);
    const bool automatic = shown == "auto";
    World world({setting(mode), "coherence.max_staleness_ms=300"});
    CHECK(world.fact("invalidation") == shown);
    CHECK(world.fact("invalidation_active") == (automatic ? "keyspace" : shown));
    CHECK(world.fact("invalidation_stepped_down").empty());
    const std::string info = world.client.call("INFO", "tiercache").text;
    CHECK(info.find("\r\ninvalidation:" + shown + "\r\n") != std::string::npos);
    CHECK(info.find("\r\ninvalidation_active:" + (automatic ? "keyspace" : shown) + "\r\n") !=
          std::string::npos);
    for (const char* db : {"0", "5"}) {
      world.client.call("SELECT", db);
      world.direct.call("SELECT", db);
      CHECK(world.client.call("SET", "k", "old").text == "OK");
      REQUIRE(world.hit("k"));
      CHECK(world.sees_direct_write("k", 1000ms));
      REQUIRE(world.hit("k"));
      for (int i = 0; i < 50; i++) {
        const std::string value = std::to_string(i);
        world.client.call("SET", "k", value);
        CHECK(world.client.call("GET", "k").text == value);
        world.client.call("EVAL", "return redis.call('SET', 'k', ARGV[1])", "0", value + "e");
        CHECK(world.client.call("GET", "k").text == value + "e");
      }
      REQUIRE(world.hit("k"));
      world.client.call("FLUSHALL");
      CHECK(world.client.call("GET", "k").is_nil());
    }
    const std::int64_t bound = world.proxy.stat("staleness_bound_ms");
    CHECK((shown == "ttl" ? bound == 300 : bound >= 0 && bound <= 300));
  }
}

// Without events nothing but the next answer tells that it has run.
TEST_CASE("a script that nobody answers is told to L1 with the next answer") {
  for (const char* mode : {"ttl", "keyspace"}) {
    const std::string shown = mode;
    CAPTURE(shown);
    World world({setting(mode), "coherence.max_staleness_ms=600000"});
    world.client.call("SET", "k", "old");
    for (int i = 0; i < 20; i++) {
      REQUIRE(world.hit("k"));
      const std::string value = std::to_string(i);
      world.client.send("CLIENT", "REPLY", "SKIP");
      world.client.send("EVAL", "redis.call('SET', 'k', ARGV[1])", "0", value);
      CHECK(world.client.call("PING").text == "PONG");
      CHECK(world.client.call("GET", "k").text == value);
    }
    REQUIRE(world.hit("k"));
    world.client.send("CLIENT", "REPLY", "OFF");
    world.client.send("MULTI");
    world.client.send("EVAL", "redis.call('SET', 'k', 'within')", "0");
    world.client.send("EXEC");
    world.client.send("CLIENT", "REPLY", "ON");
    CHECK(world.client.read().text == "OK");
    CHECK(world.client.call("GET", "k").text == "within");
  }
}

TEST_CASE("auto without CONFIG, or without CLIENT TRACKING too, says what it does instead") {
  World tracking({}, {"--rename-command", "CONFIG", ""});
  CHECK(tracking.fact("invalidation") == "auto");
  CHECK(tracking.fact("invalidation_active") == "tracking");
  CHECK(tracking.fact("invalidation_stepped_down").starts_with("keyspace: "));
  CHECK(tracking.proxy.log().find("stepped down to invalidation by tracking") != std::string::npos);
  REQUIRE(tracking.hit("k"));
  CHECK(tracking.sees_direct_write("k", 1000ms));

  World aged({}, {"--rename-command", "CLIENT", ""});
  CHECK(aged.fact("invalidation_active") == "ttl");
  CHECK(aged.proxy.log().find("stepped down to invalidation by ttl") != std::string::npos);
  REQUIRE(aged.hit("k"));
  CHECK(aged.sees_direct_write("k", 3000ms));
}

TEST_CASE("entries that may not age at all are never served, and the log says so") {
  World world({setting("ttl"), "coherence.max_staleness_ms=0"});
  CHECK(world.proxy.log().find("nothing is served from memory") != std::string::npos);
  CHECK(world.hits_of_ten("k") == 0);
}

TEST_CASE("with tracking prefixes other keys are passed on and never kept") {
  World world({setting("tracking"), "coherence.tracking_prefixes=user: symbol:"});
  for (const char* key : {"user:1", "symbol:x", "other"}) {
    world.client.call("SET", key, "old");
  }
  REQUIRE(world.hit("user:1"));
  REQUIRE(world.hit("symbol:x"));
  CHECK(world.hits_of_ten("other") == 0);
  CHECK(world.client.call("CACHE", "KEY", "other").find("entries")->items.empty());
  // Several keys at once: all or none of them.
  for (int i = 0; i < 20; i++) {
    CHECK(world.client.call("MGET", "user:1", "other").items.at(1).text == "old");
    CHECK(world.client.call("EXISTS", "user:1", "other").integer == 2);
  }
  CHECK(world.client.call("CACHE", "KEY", "other").find("entries")->items.empty());
  world.direct.call("SET", "other", "new");
  CHECK(world.client.call("MGET", "user:1", "other").items.at(1).text == "new");
  CHECK(world.sees_direct_write("user:1", 1000ms));
  // Nor by a warmup.
  world.client.call("CACHE", "FLUSH");
  CHECK(world.client.call("CACHE", "WARM", "START", "*", "RATE", "1000000").text == "OK");
  REQUIRE(eventually(
      [&] { return world.client.call("CACHE", "WARM", "STATUS").find("state")->text == "done"; }));
  CHECK(world.client.call("CACHE", "WARM", "STATUS").find("filled")->integer == 2);
  CHECK(world.client.call("CACHE", "KEY", "other").find("entries")->items.empty());
  CHECK(world.client.call("CACHE", "KEY", "user:1").find("entries")->items.size() == 1);
}

TEST_CASE("a warmup of a db that nobody reads yet is invalidated like any other") {
  // Without canaries, since the first one in a db empties L1 and would hide what is tested.
  World world({setting("tracking"), "coherence.canary=false"});
  world.direct.call("SELECT", "7");
  world.direct.call("SET", "k", "old");
  // A client that is relayed on a connection of its own has not used the db for L1.
  world.client.call("WATCH", "x");
  world.client.call("SELECT", "7");
  // Again, since what is read before the link to the db knows its server is not kept.
  REQUIRE(eventually([&] {
    world.client.call("CACHE", "WARM", "START", "*");
    return world.client.call("CACHE", "WARM", "STATUS").find("state")->text == "done" &&
           world.client.call("CACHE", "KEY", "k").find("entries")->items.size() == 1;
  }));
  world.direct.call("SET", "k", "new");
  Client reader(world.proxy.port());
  reader.call("SELECT", "7");
  CHECK(eventually([&] { return reader.call("GET", "k").text == "new"; }));
}

TEST_CASE("the users that docs/operations.md suggests suffice") {
  const std::vector<std::string> everywhere = {"~*",      "+@read", "+@write", "+hello",
                                               "+select", "+ping",  "+info",   "+command"};
  const std::vector<std::string> streams = {"&__redis__:invalidate", "+client|id",
                                            "+client|tracking", "+subscribe"};
  const std::vector<std::string> events = {"&__keyspace@*__:*", "+psubscribe", "+config|get"};
  for (const char* mode : {"keyspace", "tracking", "ttl"}) {
    const std::string shown = mode;
    CAPTURE(shown);
    RedisServer redis({"--notify-keyspace-events", "KA"});
    Client direct(redis.port());
    std::vector<std::string> rules = {"ACL", "SETUSER", "proxy", "reset", "on", ">word"};
    rules.insert(rules.end(), everywhere.begin(), everywhere.end());
    if (shown != "ttl") {
      rules.insert(rules.end(), streams.begin(), streams.end());
    }
    if (shown == "keyspace") {
      rules.insert(rules.end(), events.begin(), events.end());
    }
    REQUIRE(direct.call(rules).text == "OK");
    TiercacheProcess proxy(redis.port(),
                           {setting("auto"), "upstream.user=proxy", "upstream.password=word",
                            "coherence.max_staleness_ms=300"});
    proxy.wait_live();
    Client client(proxy.port());
    CHECK(client.call("CACHE", "STATS").find("invalidation_active")->text == shown);
    for (const char* version : {"2", "3"}) {
      client.call("HELLO", version);
      CHECK(client.call("SELECT", "2").text == "OK");
      CHECK(client.call("SET", "k", "old").text == "OK");
      REQUIRE(eventually([&] {
        const std::int64_t before = proxy.stat("l1_hits");
        CHECK(client.call("GET", "k").text == "old");
        return proxy.stat("l1_hits") > before;
      }));
      direct.call("SELECT", "2");
      direct.call("SET", "k", "new");
      CHECK(eventually([&] { return client.call("GET", "k").text == "new"; }));
    }
  }
}

}  // namespace tiercache::testing
