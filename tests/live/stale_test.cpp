// What was loaded grows stale: it is served while it is loaded anew, or where it cannot be.
#include "sources_world.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

struct StaleWorld {
  RedisServer redis;
  Database database;
  TiercacheProcess proxy;
  Client client;
  Client direct;

  explicit StaleWorld(const std::string& how)
      : database(redis.directory() / "test.db"),
        proxy(redis.port(), {"threads=2"}, conf(database.path().string(), how)),
        client(proxy.port(), std::chrono::seconds(60)),
        direct(redis.port()) {
    proxy.wait_live();
  }
  static std::string conf(const std::string& path, const std::string& how) {
    return "[[source]]\nname = \"db\"\npath = \"" + path + "\"\ntimeout_ms = 60000\n" +
           "[[namespace]]\nname = \"docs\"\nmatch = [\"doc:*\"]\ntiers = \"l1+l2+l3\"\n"
           "source = \"db\"\nkey = \"doc:{id:int}\"\nnegative_ttl_ms = 0\n" +
           how;
  }
  std::int64_t docs(const std::string& what) {
    const std::string text = "," + client.call("CACHE", "STATS").find("namespace_docs")->text;
    const auto at = text.find("," + what + "=");
    REQUIRE(at != std::string::npos);
    return std::stoll(text.substr(at + what.size() + 2));
  }
  // Loaded, and in Redis.
  void load(int id, const std::string& doc) {
    database.put(id, doc);
    const std::string key = "doc:" + std::to_string(id);
    CHECK(eventually([&] {
      CHECK(client.call("GET", key).text == doc);
      return direct.call("GET", key).text == doc;
    }));
  }
  void soften(int id) {
    CHECK_FALSE(
        client.call("CACHE", "INVALIDATE", "SOFT", "KEY", "doc:" + std::to_string(id)).is_error());
  }
};

const std::string kQuery = "query = \"select doc from t where id = :id\"\n";

}  // namespace

TEST_CASE("what is stale is served at once, and loaded anew meanwhile") {
  StaleWorld world(kQuery + "l2_ttl_ms = 60000\nstale_while_revalidate_ms = 600000\n");
  world.load(1, "old");
  CHECK(world.direct.call("PTTL", "doc:1").integer > 590'000);
  world.database.put(1, "new");
  world.soften(1);
  std::vector<std::string> seen;
  CHECK(eventually([&] {
    const std::string text = world.client.call("GET", "doc:1").text;
    if (seen.empty() || seen.back() != text) {
      seen.push_back(text);
    }
    return text == "new";
  }));
  CHECK(seen.front() == "old");
  CHECK(seen.size() <= 2);
  CHECK(world.docs("stale") > 0);
  CHECK(world.docs("stale_on_error") == 0);
  CHECK(world.direct.call("GET", "doc:1").text == "new");
  CHECK(world.direct.call("PTTL", "doc:1").integer > 590'000);
  // MGET, and other reads of the value.
  world.database.put(1, "newer");
  world.soften(1);
  CHECK(eventually([&] {
    const Value reply = world.client.call("MGET", "doc:1", "doc:1");
    CHECK(reply.items.at(0).text == reply.items.at(1).text);
    return reply.items.at(0).text == "newer";
  }));
  CHECK(eventually([&] { return world.client.call("STRLEN", "doc:1").integer == 5; }));
}

TEST_CASE("what another proxy loads anew has not failed") {
  StaleWorld world(kQuery + "lease = true\nl2_ttl_ms = 300\nstale_while_revalidate_ms = 600000\n");
  world.load(1, "old");
  const std::string lease = "tiercache:lease:doc:1";
  CHECK(eventually([&] { return world.direct.call("EXISTS", lease).integer == 0; }));
  world.direct.call("SET", lease, "another's", "PX", "600000");
  world.database.put(1, "new");
  const std::int64_t left = world.docs("load_left");
  CHECK(eventually([&] {
    const std::string text = world.client.call("GET", "doc:1").text;
    CHECK((text == "old" || text == "new"));
    return world.docs("load_left") > left;
  }));
  CHECK(world.docs("load_failed") == 0);
  CHECK(world.docs("stale") > 0);
}

TEST_CASE("what has gone from the source goes from Redis when it is stale") {
  StaleWorld world(kQuery + "l2_ttl_ms = 300\nstale_while_revalidate_ms = 600000\n");
  world.load(1, "one");
  world.database.run("delete from t");
  CHECK(eventually([&] { return world.client.call("GET", "doc:1").is_nil(); }));
  CHECK(world.direct.call("EXISTS", "doc:1").integer == 0);
}

TEST_CASE("while the source fails what is stale is served, and then what it has") {
  StaleWorld world(kQuery + "l2_ttl_ms = 300\nstale_if_error_ms = 600000\n");
  world.load(1, "one");
  world.load(2, "two");
  world.database.run("alter table t rename to away");
  CHECK(eventually([&] {
    CHECK(world.client.call("GET", "doc:1").text == "one");
    CHECK(world.client.call("MGET", "doc:1", "doc:2").items.at(1).text == "two");
    CHECK(world.client.call("GETRANGE", "doc:2", "1", "1").text == "w");
    return world.docs("stale_on_error") > 10;
  }));
  CHECK(world.client.call("GET", "doc:3").text.starts_with("ERR tiercache: source 'db'"));
  world.database.run("alter table away rename to t");
  world.database.put(1, "two");
  world.database.run("delete from t where id = 2");
  CHECK(eventually([&] { return world.client.call("GET", "doc:1").text == "two"; }));
  CHECK(eventually([&] { return world.client.call("MGET", "doc:2").items.at(0).is_nil(); }));
  CHECK(world.client.call("STRLEN", "doc:2").integer == 0);
  CHECK(world.docs("stale") == 0);
}

TEST_CASE("who has asked for it is told what is stale, and why, and nobody else") {
  StaleWorld world(kQuery +
                   "l2_ttl_ms = 300\nstale_if_error_ms = 600000\n"
                   "[[namespace]]\nname = \"mild\"\nmatch = [\"mild:*\"]\ntiers = \"l1+l2+l3\"\n"
                   "source = \"db\"\nkey = \"mild:{id:int}\"\nl2_ttl_ms = 300\n"
                   "stale_while_revalidate_ms = 600000\n" +
                   kQuery);
  world.load(1, "one");
  world.load(2, "two");
  CHECK(eventually([&] {
    CHECK(world.client.call("GET", "mild:1").text == "one");
    return world.direct.call("GET", "mild:1").text == "one";
  }));
  world.direct.call("SET", "doc:9", "fresh");
  CHECK(world.client.call("CACHE", "MARK", "ON").text.find("HELLO 3") != std::string::npos);
  Client marked(world.proxy.port(), std::chrono::seconds(60));
  marked.call("HELLO", "3");
  CHECK(marked.call("CACHE", "MARK").is_error());
  CHECK(marked.call("CACHE", "MARK", "maybe").is_error());
  CHECK(marked.call("CACHE", "MARK", "off").text == "OK");
  CHECK(marked.call("CACHE", "MARK", "on").text == "OK");
  CHECK(marked.call("GET", "doc:9").text == "fresh");
  CHECK(marked.last_raw() == "$5\r\nfresh\r\n");
  world.database.run("alter table t rename to away");

  const auto mark = [](int values, const std::string& why) {
    return "|2\r\n$15\r\ntiercache.stale\r\n:" + std::to_string(values) +
           "\r\n$23\r\ntiercache.stale_because\r\n$" + std::to_string(why.size()) + "\r\n" + why +
           "\r\n";
  };
  const std::string one = "$3\r\none\r\n";
  const std::string two = "$3\r\ntwo\r\n";
  const auto hears = [&](std::initializer_list<std::string> request, const std::string& bytes) {
    const std::vector<std::string> words(request);
    return eventually([&] {
      marked.call(words);
      return marked.last_raw() == bytes;
    });
  };
  CHECK(hears({"GET", "doc:1"}, mark(1, "source_failed") + one));
  CHECK(hears({"GETRANGE", "doc:1", "0", "0"}, mark(1, "source_failed") + "$1\r\no\r\n"));
  CHECK(hears({"MGET", "doc:1", "doc:9", "doc:2", "doc:1"},
              mark(3, "source_failed") + "*4\r\n" + one + "$5\r\nfresh\r\n" + two + one));
  CHECK(hears({"GET", "mild:1"}, mark(1, "loading") + one));
  CHECK(
      hears({"MGET", "mild:1", "doc:9"}, mark(1, "loading") + "*2\r\n" + one + "$5\r\nfresh\r\n"));
  CHECK(marked.call("CACHE", "EXPLAIN", "doc:1").find("in_redis")->text == "old");
  CHECK(marked.call("CACHE", "EXPLAIN", "mild:1").find("in_redis")->text == "stale");
  CHECK(marked.call("CACHE", "EXPLAIN", "doc:9").find("in_redis")->text == "fresh");
  CHECK(marked.call("CACHE", "EXPLAIN", "doc:8").find("in_redis")->text == "missing");

  // Each in its place among others, as it was asked for; and what the same load brings to others.
  for (int round = 0; round < 20; round++) {
    world.client.send("GET", "doc:1");
    marked.send("PING", "a");
    marked.send("GET", "doc:1");
    marked.send("GET", "doc:9");
    marked.send("CACHE", "MARK", "OFF");
    marked.send("GET", "doc:2");
    marked.send("CACHE", "MARK", "ON");
    marked.send("MGET", "doc:2");
    std::string all;
    for (int i = 0; i < 7; i++) {
      marked.read();
      all += marked.last_raw();
    }
    CHECK(all == "$1\r\na\r\n" + mark(1, "source_failed") + one + "$5\r\nfresh\r\n+OK\r\n" + two +
                     "+OK\r\n" + mark(1, "source_failed") + "*1\r\n" + two);
    world.client.read();
    CHECK(world.client.last_raw() == one);
  }
  // Not in RESP2, and not after RESET.
  marked.call("HELLO", "2");
  marked.call("GET", "doc:1");
  CHECK(marked.last_raw() == one);
  marked.call("HELLO", "3");
  CHECK(hears({"GET", "doc:1"}, mark(1, "source_failed") + one));
  marked.call("RESET");
  marked.call("HELLO", "3");
  marked.call("GET", "doc:1");
  CHECK(marked.last_raw() == one);
}

TEST_CASE("a key that a client has written without a TTL is not stale") {
  StaleWorld world(kQuery + "l2_ttl_ms = 300\nstale_while_revalidate_ms = 600000\n");
  world.database.put(1, "the source");
  world.client.call("SET", "doc:1", "the client's");
  for (int i = 0; i < 100; i++) {
    CHECK(world.client.call("GET", "doc:1").text == "the client's");
  }
  CHECK(world.docs("load_anew") == 0);
}

TEST_CASE("a key that the pattern does not fit is Redis's alone, however short its TTL") {
  StaleWorld world(kQuery +
                   "l2_ttl_ms = 300\nstale_while_revalidate_ms = 600000\n"
                   "stale_if_error_ms = 700000\n");
  world.client.call("SET", "doc:abc", "hello", "PX", "650000");
  world.client.call("SET", "doc:abd", "hello", "PX", "50000");
  for (const char* key : {"doc:abc", "doc:abd"}) {
    CHECK(world.client.call("GET", key).text == "hello");
    CHECK(world.client.call("STRLEN", key).integer == 5);
    CHECK(world.client.call("MGET", key).items.at(0).text == "hello");
  }
  CHECK(world.docs("load_anew") == 0);
}

TEST_CASE("what is softened again is another to whoever is loading it") {
  StaleWorld world(kQuery + "l2_ttl_ms = 600000\nstale_while_revalidate_ms = 600000\n");
  world.load(1, "one");
  std::int64_t before = world.direct.call("PEXPIRETIME", "doc:1").integer;
  for (int i = 0; i < 3; i++) {
    CHECK(world.client.call("CACHE", "INVALIDATE", "SOFT", "KEY", "doc:1").integer >= 1);
    const std::int64_t now = world.direct.call("PEXPIRETIME", "doc:1").integer;
    CHECK(now < before);
    before = now;
  }
}

TEST_CASE("invalidated softly, it is stale, and Redis keeps it") {
  StaleWorld world(kQuery + "l2_ttl_ms = 600000\nstale_while_revalidate_ms = 600000\n");
  for (int i = 1; i <= 4; i++) {
    world.load(i, "old");
    world.database.put(i, "new");
  }
  CHECK(world.client.call("GET", "doc:1").text == "old");
  CHECK(world.client.call("CACHE", "INVALIDATE", "SOFT", "KEY", "doc:1", "doc:9").integer >= 1);
  CHECK(eventually([&] {
    CHECK(world.direct.call("EXISTS", "doc:1").integer == 1);
    return world.client.call("GET", "doc:1").text == "new";
  }));
  CHECK(world.client.call("GET", "doc:2").text == "old");
  CHECK(world.client.call("CACHE", "INVALIDATE", "SOFT", "PREFIX", "doc:2", "WAIT").integer >= 1);
  CHECK(eventually([&] { return world.client.call("GET", "doc:2").text == "new"; }));
  CHECK(world.client.call("GET", "doc:3").text == "old");
  CHECK(world.client.call("CACHE", "INVALIDATE", "SOFT", "NAMESPACE", "docs", "WAIT").integer >= 4);
  for (const char* key : {"doc:3", "doc:4"}) {
    CHECK(eventually([&] { return world.client.call("GET", key).text == "new"; }));
  }
  CHECK(world.docs("stale") >= 3);
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"CACHE", "INVALIDATE", "SOFT"},
        {"CACHE", "INVALIDATE", "SOFT", "KEY"},
        {"CACHE", "INVALIDATE", "SOFT", "SOFT", "KEY", "doc:1"}}) {
    CHECK(world.client.call(wrong).is_error());
  }
}

TEST_CASE("softly or not, what may not be served stale is removed") {
  StaleWorld world(kQuery + "l2_ttl_ms = 600000\n");
  world.load(1, "old");
  world.database.put(1, "new");
  CHECK(world.client.call("CACHE", "INVALIDATE", "SOFT", "KEY", "doc:1").integer >= 1);
  CHECK(world.client.call("GET", "doc:1").text == "new");
}

TEST_CASE("ahead of its end it is loaded anew, and no read waits for that") {
  StaleWorld world(
      // It takes a while.
      "query = \"with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) "
      "select doc from t where id = :id and (select max(i) from n) > 0\"\n"
      "l2_ttl_ms = 2000\nrefresh_ahead_percent = 10000\n");
  world.load(1, "old");
  world.database.put(1, "new");
  CHECK(eventually([&] {
    const std::string text = world.client.call("GET", "doc:1").text;
    CHECK((text == "old" || text == "new"));
    return world.docs("load_anew") > 0 && text == "new";
  }));
  CHECK(world.docs("stale") == 0);
}

TEST_CASE("while Redis is away the source answers for what it has") {
  StaleWorld world(kQuery);
  world.database.put(1, "one");
  world.database.put(2, "two");
  CHECK(world.client.call("GET", "doc:1").text == "one");
  world.redis.stop();
  CHECK(eventually([&] { return world.client.call("GET", "doc:2").text == "two"; }));
  for (int i = 0; i < 100; i++) {
    CHECK(world.client.call("GET", "doc:1").text == "one");
    CHECK(world.client.call("STRLEN", "doc:2").integer == 3);
  }
  world.database.put(1, "new");
  // Hits of L1 end when Redis is known to be away.
  CHECK(eventually([&] { return world.client.call("GET", "doc:1").text == "new"; }));
  CHECK(world.client.call("GET", "doc:3").is_nil());
  CHECK(world.client.call("EXISTS", "doc:3").integer == 0);
  for (const char* key : {"doc:x", "plain"}) {
    CHECK(world.client.call("GET", key).text.find("is unavailable") != std::string::npos);
  }
  CHECK(world.client.call("SET", "doc:1", "x").is_error());
  world.redis.start();
  CHECK(eventually([&] {
    CHECK(world.client.call("GET", "doc:2").text == "two");
    return Client(world.redis.port()).call("GET", "doc:2").text == "two";
  }));
}

}  // namespace tiercache::testing
