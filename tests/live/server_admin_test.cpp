// CACHE, INFO and COMMAND as a client sees them.
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

struct World {
  RedisServer redis;
  TiercacheProcess proxy;
  Client client;

  explicit World(std::vector<std::string> sets = {})
      : proxy(redis.port(), std::move(sets)), client(proxy.port()) {
    proxy.wait_live();
  }
  // Reads until L1 has it, and no event of what this client wrote can take it away again.
  void cache(const std::string& key) {
    client.settle();
    REQUIRE(eventually([&] {
      client.call("GET", key);
      return client.call("CACHE", "KEY", key).find("state")->text == "cached";
    }));
  }
};

bool has_section(const std::string& info, const std::string& name) {
  return info.find("# " + name + "\r\n") != std::string::npos;
}

bool contains_text(const Value& list, const std::string& text) {
  return std::ranges::any_of(list.items, [&](const Value& item) { return item.text == text; });
}

}  // namespace

TEST_CASE("CACHE STATS has the promised fields, flat in RESP2 and as a map in RESP3") {
  World world;
  const Value flat = world.client.call("CACHE", "STATS");
  CHECK(flat.type == Value::Type::array);
  CHECK(flat.items.size() % 2 == 0);
  for (const char* field :
       {"l1_hits", "l1_misses", "l1_entries", "l1_bytes", "l1_evictions", "l1_invalidations",
        "l2_requests", "l2_errors", "max_staleness_ms", "staleness_bound_ms", "uptime_s"}) {
    CAPTURE(field);
    REQUIRE(flat.find(field) != nullptr);
    CHECK(flat.find(field)->type == Value::Type::integer);
  }
  REQUIRE(flat.find("event_link_state") != nullptr);
  CHECK(flat.find("event_link_state")->text == "live");
  CHECK(flat.find("max_staleness_ms")->integer == 1000);
  CHECK(flat.find("staleness_bound_ms")->integer >= 0);
  CHECK(flat.find("threads")->integer == 2);
  world.client.call("HELLO", "3");
  const Value map = world.client.call("CACHE", "STATS");
  CHECK(map.type == Value::Type::map);
  CHECK(map.items.size() == flat.items.size());
}

TEST_CASE("the staleness bound is -1 while Redis does not answer") {
  World world;
  world.redis.pause();
  CHECK(eventually([&] { return world.proxy.stat("staleness_bound_ms") == -1; }));
  world.redis.resume();
  CHECK(eventually([&] { return world.proxy.stat("staleness_bound_ms") >= 0; }));
}

TEST_CASE("CACHE KEY tells what is held of a key in the client's db") {
  World world;
  world.client.call("SET", "k", "value", "PX", "60000");
  world.cache("k");
  const Value answer = world.client.call("CACHE", "KEY", "k");
  REQUIRE(answer.find("entries")->items.size() == 1);
  const Value& entry = answer.find("entries")->items[0];
  CHECK(entry.find("command")->text == "get");
  CHECK(entry.find("bytes")->integer == std::string("$5\r\nvalue\r\n").size());
  CHECK(entry.find("negative")->integer == 0);
  CHECK(entry.find("ttl_ms")->integer > 0);
  CHECK(entry.find("ttl_ms")->integer <= 60000);
  world.client.call("SELECT", "1");
  const Value elsewhere = world.client.call("CACHE", "KEY", "k");
  CHECK(elsewhere.find("state")->text == "absent");
  CHECK(elsewhere.find("entries")->items.empty());
}

TEST_CASE("CACHE FLUSH empties what matches or everything, and says how many") {
  World world;
  for (const char* key : {"user:1", "user:2", "other"}) {
    world.client.call("SET", key, "v");
  }
  for (const char* key : {"user:1", "user:2", "other"}) {
    world.cache(key);
  }
  CHECK(world.client.call("CACHE", "FLUSH", "user:[0-9]").integer == 2);
  CHECK(world.client.call("CACHE", "KEY", "user:1").find("state")->text == "absent");
  CHECK(world.client.call("CACHE", "KEY", "other").find("state")->text == "cached");
  CHECK(world.client.call("GET", "user:1").text == "v");  // Redis keeps it
  CHECK(world.client.call("CACHE", "FLUSH").integer >= 1);
  CHECK(world.client.call("CACHE", "KEY", "other").find("state")->text == "absent");
  CHECK(world.proxy.stat("l1_entries") == 0);
}

TEST_CASE("CACHE CONFIG reads, and changes what may change, all or nothing") {
  World world;
  Client& client = world.client;
  const Value before = client.call("CACHE", "CONFIG", "GET", "l1.max_*", "threads");
  CHECK(before.find("l1.max_memory")->text == "256mb");
  CHECK(before.find("threads")->text == "2");
  CHECK(client.call("CACHE", "CONFIG", "SET", "l1.max_memory", "64mb", "warm.rate", "7").text ==
        "OK");
  CHECK(client.call("CACHE", "CONFIG", "GET", "warm.rate").find("warm.rate")->text == "7");
  CHECK(world.proxy.stat("l1_max_memory") == 64 << 20);
  CHECK(client.call("CACHE", "CONFIG", "SET", "warm.rate", "8", "l1.shards", "4").is_error());
  CHECK(client.call("CACHE", "CONFIG", "SET", "warm.rat", "8").text.find("warm.rate") !=
        std::string::npos);
  CHECK(client.call("CACHE", "CONFIG", "GET", "warm.rate").find("warm.rate")->text == "7");
}

TEST_CASE("a smaller L1 takes effect at once") {
  World world;
  world.client.call("CACHE", "CONFIG", "SET", "l1.max_entries", "16");
  for (int i = 0; i < 200; i++) {
    const std::string key = "e" + std::to_string(i);
    world.client.call("SET", key, "v");
    world.client.call("GET", key);
  }
  CHECK(world.proxy.stat("l1_entries") <= 16);
}

TEST_CASE("CACHE CLIENTS lists every client of every thread") {
  World world;
  Client a(world.proxy.port());
  Client b(world.proxy.port());
  a.call("CLIENT", "SETNAME", "alpha");
  b.call("CLIENT", "SETNAME", "beta");
  b.call("SELECT", "3");
  const std::string text = world.client.call("CACHE", "CLIENTS").text;
  CHECK(text.find(" name=alpha ") != std::string::npos);
  CHECK(text.find(" name=beta ") != std::string::npos);
  CHECK(text.find(" db=3 ") != std::string::npos);
  CHECK(std::ranges::count(text, '\n') >= 3);
}

TEST_CASE("CACHE SLOWLOG keeps what took long, of every thread, newest first and bounded") {
  World world;
  Client& client = world.client;
  Client other(world.proxy.port());
  CHECK(client.call("CACHE", "SLOWLOG", "LEN").type == Value::Type::integer);
  client.call("CACHE", "CONFIG", "SET", "slowlog.slower_than_us", "0", "slowlog.max_len", "4");
  client.call("CLIENT", "SETNAME", "slow");
  REQUIRE(eventually([&] {
    client.call("SET", "k", std::string(200, 'v'));
    other.call("SADD", "s", "m");
    return client.call("CACHE", "SLOWLOG", "LEN").integer == 4;
  }));
  client.call("CONFIG", "SET", "requirepass", "");
  client.call("SET", "last", "1");
  const Value log = client.call("CACHE", "SLOWLOG", "GET");
  REQUIRE(log.items.size() == 4);
  const Value& newest = log.items[0];
  REQUIRE(newest.items.size() == 7);
  CHECK(newest.items[0].integer > log.items[1].items[0].integer);
  CHECK(newest.items[1].integer > 1'700'000'000);
  CHECK(newest.items[2].integer >= 0);
  CHECK(newest.items[3].to_string() == R"(["SET", "last", "1"])");
  CHECK(newest.items[4].text.starts_with("127.0.0.1:"));
  CHECK(newest.items[5].text == "slow");
  CHECK(newest.items[6].text == "write");
  // No passwords.
  CHECK(log.items[1].items[3].to_string() == R"x(["CONFIG", "(redacted)"])x");
  CHECK(client.call("CACHE", "SLOWLOG", "GET", "2").items.size() == 2);
  CHECK(client.call("CACHE", "SLOWLOG", "GET", "-1").items.size() == 4);
  CHECK(client.call("CACHE", "SLOWLOG", "GET", "-2").text ==
        "ERR count should be greater than or equal to -1");
  CHECK(client.call("CACHE", "SLOWLOG", "NOSUCH").is_error());
  // Who waits because he wants to is not slow, nor is anything fast.
  client.call("CACHE", "CONFIG", "SET", "slowlog.slower_than_us", "60000000");
  CHECK(client.call("CACHE", "SLOWLOG", "RESET").text == "OK");
  client.call("BLPOP", "nothing", "0.01");
  CHECK(client.call("CACHE", "SLOWLOG", "LEN").integer == 0);
  client.call("CACHE", "CONFIG", "SET", "slowlog.slower_than_us", "-1");
  client.call("SET", "k", "1");
  CHECK(client.call("CACHE", "SLOWLOG", "LEN").integer == 0);
}

TEST_CASE("CACHE LATENCY tells hits from what Redis answered") {
  World world;
  Client& client = world.client;
  const auto count = [&](const char* kind) {
    return client.call("CACHE", "LATENCY").find(kind)->find("count")->integer;
  };
  client.call("SET", "k", "v");
  world.cache("k");
  CHECK(count("write") >= 1);
  CHECK(count("miss") >= 1);
  CHECK(eventually([&] {
    client.call("GET", "k");
    return count("hit") > 0;
  }));
  const std::int64_t others = count("other");
  client.call("DBSIZE");
  CHECK(count("other") > others);
  CHECK(client.call("CACHE", "LATENCY", "RESET").text == "OK");
  CHECK(count("write") == 0);
  client.call("HELLO", "3");
  const Value shown = client.call("CACHE", "LATENCY");
  CHECK(shown.type == Value::Type::map);
  for (const char* kind : {"hit", "miss", "write", "other"}) {
    for (const char* field : {"mean_us", "p50_us", "p99_us", "p999_us", "max_us"}) {
      CAPTURE(field);
      REQUIRE(shown.find(kind)->find(field) != nullptr);
    }
  }
  CHECK(client.call("CACHE", "LATENCY", "NOSUCH").is_error());
}

TEST_CASE("CACHE HELP names the subcommands, and mistakes are told as Redis tells them") {
  World world;
  Client& client = world.client;
  const Value help = client.call("CACHE", "HELP");
  REQUIRE(help.items.size() > 10);
  CHECK(help.items[0].text.starts_with("CACHE <subcommand>"));
  CHECK(contains_text(help, "STATS"));
  CHECK(client.call("CACHE", "NOSUCH").text == "ERR unknown subcommand 'NOSUCH'. Try CACHE HELP.");
  CHECK(client.call("CACHE").text == "ERR wrong number of arguments for 'cache' command");
  CHECK(client.call("CACHE", "WARM").text ==
        "ERR wrong number of arguments for 'cache|warm' command");
  CHECK(client.call("CACHE", "FLUSH", "a", "b").text ==
        "ERR wrong number of arguments for 'cache|flush' command");
  CHECK(client.call("CACHE", "WARM", "JUMP").text ==
        "ERR unknown subcommand 'JUMP'. Try CACHE HELP.");
  CHECK(client.call("CACHE", "WARM", "START").text ==
        "ERR wrong number of arguments for 'cache|warm' command");
  CHECK(client.call("CACHE", "WARM", "START", "*", "SPEED", "3").text == "ERR syntax error");
  CHECK(client.call("CACHE", "WARM", "START", "*", "LIMIT", "0").text ==
        "ERR value is not an integer or out of range");
  CHECK(client.call("CACHE", "WARM", "STOP").text == "ERR no warmup is running");
}

TEST_CASE("INFO is Redis's own with two sections appended") {
  World world;
  for (const char* version : {"2", "3"}) {
    CAPTURE(version);
    world.client.call("HELLO", version);
    const Value all = world.client.call("INFO");
    CHECK(world.client.last_raw().starts_with(version[0] == '3' ? '=' : '$'));
    CHECK(has_section(all.text, "Server"));
    CHECK(has_section(all.text, "Tiercache"));
    CHECK(has_section(all.text, "Tiers"));
    CHECK(all.text.find("\r\nupstream_status:up\r\n") != std::string::npos);
    CHECK(has_section(world.client.call("INFO", "everything").text, "Tiers"));
    CHECK(world.client.call("INFO", "tiercache").text.starts_with("# Tiercache\r\n"));
    const std::string tiers = world.client.call("INFO", "TIERS").text;
    CHECK(tiers.starts_with("# Tiers\r\n"));
    CHECK_FALSE(has_section(tiers, "Tiercache"));
    const std::string server = world.client.call("INFO", "server").text;
    CHECK(has_section(server, "Server"));
    CHECK_FALSE(has_section(server, "Tiers"));
    const std::string both = world.client.call("INFO", "server", "tiers").text;
    CHECK(has_section(both, "Server"));
    CHECK(both.find("\r\n\r\n# Tiers\r\n") != std::string::npos);
  }
}

TEST_CASE("COMMAND knows CACHE in the shape of Redis's own containers") {
  World world;
  Client direct(world.redis.port());
  Client& client = world.client;
  CHECK(client.call("COMMAND", "COUNT").integer == direct.call("COMMAND", "COUNT").integer + 1);
  for (const char* version : {"2", "3"}) {
    CAPTURE(version);
    client.call("HELLO", version);
    direct.call("HELLO", version);
    CHECK(client.call("COMMAND").items.size() == direct.call("COMMAND").items.size() + 1);
    CHECK(client.call("COMMAND", "DOCS").items.size() ==
          direct.call("COMMAND", "DOCS").items.size() + 2);
    const Value ours = client.call("COMMAND", "INFO", "get", "cache", "nosuch", "cache|key");
    const Value config = direct.call("COMMAND", "INFO", "config").items[0];
    REQUIRE(ours.items.size() == 4);
    CHECK(ours.items[0].items[0].text == "get");
    CHECK(ours.items[2].is_nil());
    CHECK(ours.items[3].items[0].text == "cache|key");
    const Value& cache = ours.items[1];
    REQUIRE(cache.items.size() == config.items.size());
    for (std::size_t i = 0; i < cache.items.size(); i++) {
      CAPTURE(i);
      CHECK(cache.items[i].type == config.items[i].type);
    }
    const Value docs = client.call("COMMAND", "DOCS", "CACHE", "get");
    REQUIRE(docs.find("cache") != nullptr);
    CHECK(docs.find("get") != nullptr);
    const Value redis_docs = direct.call("COMMAND", "DOCS", "config");
    CHECK(docs.type == redis_docs.type);
    CHECK(docs.find("cache")->type == redis_docs.find("config")->type);
    const Value* warm = docs.find("cache")->find("subcommands")->find("cache|warm");
    REQUIRE(warm != nullptr);
    CHECK(warm->find("arguments")->items.size() == 1);
  }
  CHECK(contains_text(client.call("COMMAND", "LIST"), "cache|stats"));
  CHECK(client.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "cache|c*").items.size() == 2);
  CHECK(client.call("COMMAND", "GETKEYS", "GET", "a").items[0].text == "a");
}

TEST_CASE("a warmup makes hits of first reads, once, and tells how far it is") {
  // Hits are counted exactly, so a machine that stalls must not end them.
  World world({"coherence.max_staleness_ms=60000"});
  Client direct(world.redis.port());
  direct.call("DEBUG", "POPULATE", "5000", "warm", "20");
  direct.call("LPUSH", "warm:list", "x");
  Client& client = world.client;
  // The events of the populated keys may still be coming.
  const std::int64_t filled_before = world.proxy.stat("l1_fills");
  CHECK(client.call("CACHE", "WARM", "START", "warm:*", "RATE", "1000000").text == "OK");
  REQUIRE(eventually(
      [&] { return client.call("CACHE", "WARM", "STATUS").find("state")->text == "done"; }));
  const Value status = client.call("CACHE", "WARM", "STATUS");
  CHECK(status.find("scanned")->integer == 5000);
  CHECK(status.find("filled")->integer == 5000);
  CHECK(status.find("failed")->integer == 0);
  CHECK(world.proxy.stat("l1_fills") == filled_before + 5000);
  CHECK(world.proxy.stat("l1_flights") == 0);
  const std::int64_t hits = world.proxy.stat("l1_hits");
  for (int i = 0; i < 5000; i++) {
    const std::string key = "warm:" + std::to_string(i);
    client.send("GET", key);
  }
  for (int i = 0; i < 5000; i++) {
    REQUIRE(client.read().text.starts_with("value:"));
  }
  CHECK(world.proxy.stat("l1_hits") == hits + 5000);

  SUBCASE("what is there already is not read again") {
    client.call("CACHE", "WARM", "START", "warm:*", "RATE", "1000000");
    REQUIRE(eventually(
        [&] { return client.call("CACHE", "WARM", "STATUS").find("state")->text == "done"; }));
    CHECK(client.call("CACHE", "WARM", "STATUS").find("present")->integer == 5000);
  }
  SUBCASE("a limit ends it") {
    client.call("CACHE", "FLUSH");
    client.call("CACHE", "WARM", "START", "warm:*", "LIMIT", "70", "RATE", "1000000");
    REQUIRE(eventually(
        [&] { return client.call("CACHE", "WARM", "STATUS").find("state")->text == "done"; }));
    CHECK(client.call("CACHE", "WARM", "STATUS").find("scanned")->integer == 70);
    CHECK(world.proxy.stat("l1_entries") == 70);
  }
  SUBCASE("only one runs at a time, and it can be stopped") {
    client.call("CACHE", "FLUSH");
    CHECK(client.call("CACHE", "WARM", "START", "warm:*", "RATE", "10").text == "OK");
    CHECK(client.call("CACHE", "WARM", "START", "warm:*").is_error());
    CHECK(client.call("CACHE", "WARM", "STOP").text == "OK");
    CHECK(client.call("CACHE", "WARM", "STATUS").find("state")->text == "stopped");
    CHECK(client.call("CACHE", "WARM", "STATUS").find("scanned")->integer < 1000);
  }
}

}  // namespace tiercache::testing
