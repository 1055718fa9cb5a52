// Warmups of hot keys: those that the last run has saved, and those of another tiercache.
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

// A key of every kind of byte.
const std::string kOdd("odd \r\n\0\xff key", 12);

struct Proxy {
  TiercacheProcess process;
  Client client;

  explicit Proxy(std::uint16_t redis_port, const std::string& conf = "",
                 std::vector<std::string> sets = {"coherence.max_staleness_ms=60000"})
      : process(redis_port, std::move(sets), conf),
        client(process.port(), std::chrono::seconds(60)) {
  }
  Value status(const std::string& name, const std::string& field) {
    const Value all = client.call("CACHE", "WARM", "STATUS");
    for (const Value& one : all.find("warmups")->items) {
      if (one.find("name")->text == name) {
        return *one.find(field);
      }
    }
    return {};
  }
  bool done(const std::string& name) {
    return eventually([&] { return status(name, "state").text == "done"; });
  }
  bool cached(const std::string& key) {
    return client.call("CACHE", "KEY", key).find("state")->text == "cached";
  }
  // Reads them until L1 has them all at once.
  void heat(const std::vector<std::string>& keys) {
    REQUIRE(eventually([&] {
      for (const std::string& key : keys) {
        client.call("GET", key);
      }
      return std::ranges::all_of(keys, [&](const std::string& key) { return cached(key); });
    }));
  }
  std::vector<std::string> hot(const std::string& count = "100000") {
    std::vector<std::string> keys;
    for (const Value& item : client.call("CACHE", "HOT", "COUNT", count).items) {
      keys.push_back(item.text);
    }
    return keys;
  }
  bool logged(const std::string& text) const {
    return process.log().find(text) != std::string::npos;
  }
  void stop() {
    process.signal(SIGTERM);
    CHECK(process.wait_exit(std::chrono::seconds(60)) == 0);
  }
};

std::string hot(const std::string& file, const std::string& rest = "") {
  return "[[warmup]]\nname = \"hot\"\nstrategy = \"hot\"\nfile = \"" + file + "\"\n" + rest;
}

std::string peer(std::uint16_t port, const std::string& rest = "") {
  return "[[warmup]]\nname = \"peer\"\nstrategy = \"peer\"\npeer = \"127.0.0.1:" +
         std::to_string(port) + "\"\n" + rest;
}

std::vector<std::string> numbered(const std::string& prefix, int count) {
  std::vector<std::string> keys;
  for (int i = 0; i < count; i++) {
    keys.push_back(prefix + std::to_string(i));
  }
  return keys;
}

}  // namespace

TEST_CASE("CACHE HOT lists what GET finds in L1, of the client's db, the hottest first") {
  RedisServer redis;
  Client direct(redis.port());
  for (const std::string& key : numbered("k", 200)) {
    direct.call("SET", key, "v");
  }
  direct.call("SET", kOdd, "v");
  direct.call("HSET", "hash", "f", "v");
  Proxy proxy(redis.port(), "", {"coherence.max_staleness_ms=60000", "l1.shards=1"});
  proxy.process.wait_live();
  std::vector<std::string> keys = numbered("k", 200);
  keys.push_back(kOdd);
  proxy.heat(keys);
  proxy.client.call("HGETALL", "hash");
  proxy.client.call("GET", "missing");
  const std::vector<std::string> listed = proxy.hot();
  CHECK(listed.size() == keys.size());
  CHECK(std::set<std::string>(listed.begin(), listed.end()) ==
        std::set<std::string>(keys.begin(), keys.end()));
  CHECK(eventually([&] {
    proxy.client.call("GET", "k7");
    proxy.client.call("GET", "k5");
    return proxy.hot("2") == std::vector<std::string>{"k5", "k7"};
  }));
  proxy.client.call("SELECT", "1");
  CHECK(proxy.hot().empty());
  CHECK(proxy.client.call("CACHE", "HOT").items.empty());
  for (const char* count : {"0", "100001", "x"}) {
    CHECK(proxy.client.call("CACHE", "HOT", "COUNT", count).text ==
          "ERR value is not an integer or out of range");
  }
  CHECK(proxy.client.call("CACHE", "HOT", "COUNT").text == "ERR syntax error");
  CHECK(proxy.client.call("CACHE", "HOT", "LIMIT", "3").text == "ERR syntax error");
}

TEST_CASE("what was hot when the proxy stopped is there when it starts again") {
  RedisServer redis;
  Client direct(redis.port());
  const std::string file = (redis.directory() / "hot").string();
  std::vector<std::string> keys = numbered("k", 300);
  keys.push_back(kOdd);
  for (const std::string& key : keys) {
    direct.call("SET", key, "value of " + key);
  }
  for (const std::string& key : numbered("cold", 300)) {
    direct.call("SET", key, "v");
  }
  {
    Proxy first(redis.port(), hot(file));
    REQUIRE(first.done("hot"));
    CHECK(first.status("hot", "seen").integer == 0);
    first.heat(keys);
    first.stop();
    CHECK(first.logged("warmup 'hot': 301 hot keys saved"));
  }
  CHECK_FALSE(std::filesystem::exists(file + ".new"));
  {
    Proxy second(redis.port(), hot(file, "required = true\nrefresh_interval_ms = 50\n"));
    CHECK(eventually([&] { return second.status("hot", "seen").integer == 301; }));
    CHECK(eventually([&] {
      return std::ranges::all_of(keys, [&](const std::string& key) { return second.cached(key); });
    }));
    CHECK_FALSE(second.cached("cold7"));
    // One that knows only some of them forgets none.
    second.client.call("CACHE", "FLUSH");
    second.stop();
  }
  Proxy third(redis.port(), hot(file));
  REQUIRE(third.done("hot"));
  CHECK(third.status("hot", "seen").integer == 301);
}

TEST_CASE("hot keys are saved while the proxy runs, and a kill loses no file") {
  RedisServer redis;
  Client direct(redis.port());
  const std::string file = (redis.directory() / "hot").string();
  direct.call("SET", "a", "1");
  Proxy first(redis.port(), hot(file, "save_interval_ms = 1000\n"));
  REQUIRE(first.done("hot"));
  first.heat({"a"});
  REQUIRE(eventually([&] { return std::filesystem::exists(file); }));
  first.process.signal(SIGKILL);
  first.process.wait_exit(std::chrono::seconds(60));
  Proxy second(redis.port(), hot(file));
  REQUIRE(second.done("hot"));
  CHECK(second.status("hot", "seen").integer == 1);
}

TEST_CASE("a damaged file is told of, and is not written over") {
  RedisServer redis;
  const std::string file = (redis.directory() / "hot").string();
  std::ofstream(file) << "tiercache hot keys 1 1 0\n1 a\n";
  Proxy proxy(redis.port(), hot(file));
  CHECK(eventually([&] { return proxy.status("hot", "state").text == "failed"; }));
  CHECK(proxy.status("hot", "reason").text ==
        file + ": it is damaged: the checksum or the number of keys is another");
  Client direct(redis.port());
  direct.call("SET", "b", "1");
  proxy.heat({"b"});
  proxy.stop();
  CHECK(proxy.logged("the hot keys are not saved: " + file +
                     ": it could not be read, and is not written over"));
  std::ifstream after(file);
  CHECK(std::string(std::istreambuf_iterator<char>(after), {}) ==
        "tiercache hot keys 1 1 0\n1 a\n");
}

TEST_CASE("another tiercache says which of its keys are hot") {
  RedisServer redis({"--requirepass", "secret"});
  Client direct(redis.port());
  direct.call("AUTH", "secret");
  const std::vector<std::string> sets{"coherence.max_staleness_ms=60000",
                                      "upstream.password=secret"};
  std::vector<std::string> keys = numbered("k", 500);
  keys.push_back(kOdd);
  for (const std::string& key : keys) {
    direct.call("SET", key, "v");
  }
  direct.call("SELECT", "2");
  direct.call("SET", "in db 2", "v");
  Proxy first(redis.port(), "", sets);
  first.client.call("AUTH", "secret");
  first.heat(keys);
  Proxy second(redis.port(), peer(first.process.port(), "refresh_interval_ms = 50\n"), sets);
  second.client.call("AUTH", "secret");
  CHECK(eventually([&] {
    return std::ranges::all_of(keys, [&](const std::string& key) { return second.cached(key); });
  }));
  first.client.call("SELECT", "2");
  first.heat({"in db 2"});
  Proxy third(redis.port(), peer(first.process.port(), "db = 2\nlimit = 5\n"), sets);
  third.client.call("AUTH", "secret");
  REQUIRE(third.done("peer"));
  CHECK(third.status("peer", "seen").integer == 1);
  Proxy fourth(redis.port(), peer(first.process.port(), "limit = 5\n"), sets);
  fourth.client.call("AUTH", "secret");
  REQUIRE(fourth.done("peer"));
  CHECK(fourth.status("peer", "seen").integer == 5);
}

TEST_CASE("a peer that is no tiercache, or is not there, keeps nobody out for ever") {
  RedisServer redis;
  Proxy wrong(redis.port(), peer(redis.port(), "required = true\n"));
  CHECK(wrong.status("peer", "state").text == "failed");
  CHECK(wrong.status("peer", "reason").text.find("unknown command") != std::string::npos);
  const std::uint16_t nobody = free_port();
  Proxy alone(redis.port(), peer(nobody, "required = true\ndeadline_ms = 300\n"));
  CHECK(alone.status("peer", "state").text == "running");
  CHECK(alone.status("peer", "reason")
            .text.starts_with("waiting: the peer 127.0.0.1:" + std::to_string(nobody) + ": "));
}

}  // namespace tiercache::testing
