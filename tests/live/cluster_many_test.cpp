// Over a Redis Cluster: commands of several keys, and those that concern all nodes.
#include "cluster_proxied.hpp"
#include "cluster_world.hpp"

#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

TEST_CASE("several keys of several slots: cut, and put together in order") {
  ClusterWorld world;
  Proxied proxied(world);
  Client client = proxied.client();
  std::vector<std::string> mset{"MSET"};
  std::vector<std::string> mget{"MGET"};
  for (int i = 0; i < 200; i++) {
    const std::string key = "multi:" + std::to_string(i);
    mset.insert(mset.end(), {key, std::to_string(i)});
    mget.push_back(key);
    mget.push_back("missing:" + std::to_string(i));
  }
  for (int round = 0; round < 2; round++) {
    CHECK(client.call(mset).text == "OK");
    const Value got = client.call(mget);
    REQUIRE(got.items.size() == 400);
    for (std::size_t i = 0; i < 200; i++) {
      REQUIRE(got.items[2 * i].text == std::to_string(i));
      REQUIRE(got.items[2 * i + 1].is_nil());
    }
    mget[0] = "EXISTS";
    CHECK(client.call(mget).integer == 200);
    mget[0] = "TOUCH";
    CHECK(client.call(mget).integer == 200);
    // Reads of single keys hit, and see what is deleted.
    CHECK(hits(proxied, client, "multi:7"));
    mget[0] = "DEL";
    CHECK(client.call(mget).integer == 200);
    CHECK(client.call("GET", "multi:7").is_nil());
    mget[0] = "UNLINK";
    CHECK(client.call(mget).integer == 0);
    mget[0] = "MGET";
    CHECK(!client.call("HELLO", "3").is_error());
  }
  // Pipelined with others.
  for (int i = 0; i < 100; i++) {
    client.send("SET", "multi:0", std::to_string(i));
    client.send("MGET", "multi:0", "multi:1", "multi:2", "multi:3");
    client.send("GET", "multi:0");
  }
  for (int i = 0; i < 100; i++) {
    CHECK(client.read().text == "OK");
    CHECK(client.read().items.at(0).text == std::to_string(i));
    CHECK(client.read().text == std::to_string(i));
  }
  CHECK(client.call("MSET", "a", "1", "b").is_error());
}

TEST_CASE("several keys: on one slot they work, else, without cluster.split, Redis's own error") {
  ClusterWorld world;
  Proxied proxied(world, {"cluster.split=false"});
  Client client = proxied.client();
  const std::string a = key_on(world, 0);
  const std::string b = key_on(world, 1);
  for (const Value& reply :
       {client.call("MSET", a, "1", b, "2"), client.call("MGET", a, b), client.call("DEL", a, b),
        client.call("RENAME", a, b), client.call("EVAL", "return 1", "2", a, b)}) {
    CHECK(reply.text.starts_with("CROSSSLOT"));
  }
  for (std::size_t master = 0; master < 3; master++) {
    const std::string tag = "{" + key_on(world, master) + "}";
    CHECK(client.call("MSET", tag + "1", "1", tag + "2", "2").text == "OK");
    CHECK(client.call("MGET", tag + "1", tag + "2").items.at(1).text == "2");
    CHECK(client.call("EVAL", "return redis.call('incr', KEYS[1])", "1", tag + "1").integer == 2);
    CHECK(client.call("GET", tag + "1").text == "2");
    CHECK(client.call("DEL", tag + "1", tag + "2").integer == 2);
  }
  CHECK(client.call("PING").text == "PONG");
  CHECK(client.call("SELECT", "1").is_error());
  CHECK(client.call("ASKING").text == "OK");
}

TEST_CASE("what concerns all nodes is asked of all") {
  ClusterWorld world;
  Proxied proxied(world);
  Client client = proxied.client();
  CHECK(client.call("RANDOMKEY").is_nil());
  std::set<std::string> keys;
  for (int i = 0; i < 500; i++) {
    keys.insert("all:" + std::to_string(i));
    client.call("SET", "all:" + std::to_string(i), "v");
  }
  CHECK(client.call("DBSIZE").integer == 500);
  CHECK(client.call("KEYS", "all:*").items.size() == 500);
  CHECK(keys.contains(client.call("RANDOMKEY").text));
  std::set<std::string> scanned;
  std::string cursor = "0";
  do {
    const Value page = client.call("SCAN", cursor, "MATCH", "all:*", "COUNT", "50");
    REQUIRE(page.items.size() == 2);
    cursor = page.items[0].text;
    for (const Value& key : page.items[1].items) {
      scanned.insert(key.text);
    }
  } while (cursor != "0");
  CHECK(scanned == keys);
  CHECK(client.call("SCAN", "x").text == "ERR invalid cursor");
  const std::string sha = client.call("SCRIPT", "LOAD", "return redis.call('get', KEYS[1])").text;
  for (std::size_t master = 0; master < 3; master++) {
    CHECK(client.call("EVALSHA", sha, "1", key_on(world, master, "all:")).text == "v");
  }
  const std::string watched = key_on(world, 1);
  client.call("WATCH", watched);
  CHECK(client.call("DBSIZE").is_error());
  client.call("UNWATCH");
  for (std::size_t master = 0; master < 3; master++) {
    REQUIRE(hits(proxied, client, key_on(world, master, "all:")));
  }
  CHECK(client.call("FLUSHALL").text == "OK");
  for (std::size_t master = 0; master < 3; master++) {
    CHECK(client.call("GET", key_on(world, master, "all:")).is_nil());
  }
  CHECK(client.call("DBSIZE").integer == 0);
}

TEST_CASE("reads of several keys of several slots are answered from memory") {
  ClusterWorld world;
  Proxied proxied(world);
  for (const char* version : {"2", "3"}) {
    CAPTURE(version);
    Client client = proxied.client();
    client.call("HELLO", version);
    std::vector<std::string> mget{"MGET"};
    for (int i = 0; i < 50; i++) {
      const std::string key = "held:" + std::to_string(i);
      REQUIRE(client.call("SET", key, std::to_string(i)).text == "OK");
      mget.push_back(key);
      mget.push_back("missing:" + std::to_string(i));
    }
    mget.push_back("held:0");
    std::vector<std::string> exists = mget;
    exists[0] = "EXISTS";
    const auto whole = [&](const std::vector<std::string>& words) {
      const std::int64_t before = proxied.proxy.stat("l1_hits");
      const Value got = client.call(words);
      REQUIRE((words[0] == "EXISTS" ? got.integer == 51 : got.items.size() == 101));
      for (std::size_t i = 0; i < got.items.size(); i++) {
        REQUIRE(got.items[i].is_nil() == (i % 2 == 1));
        REQUIRE((i % 2 == 1 || got.items[i].text == std::to_string(i / 2 % 50)));
      }
      return proxied.proxy.stat("l1_hits") > before;
    };
    // An own write's event may come behind the fill.
    CHECK(eventually([&] { return whole(mget); }));
    CHECK(eventually([&] { return whole(exists); }));
    // What is in L1 is what single reads show, and ends with a write, an own or a direct one.
    CHECK(hits(proxied, client, "held:7"));
    CHECK(client.call("SET", "held:9", "other").text == "OK");
    CHECK(client.call(mget).items.at(18).text == "other");
    world.direct("held:11").call("SET", "held:11", "direct");
    CHECK(eventually([&] { return client.call(mget).items.at(22).text == "direct"; }));
    world.direct("missing:3").call("SET", "missing:3", "here");
    CHECK(eventually([&] { return client.call(exists).integer == 52; }));
    CHECK(client.call("DEL", "missing:3").integer == 1);
  }
  CHECK(proxied.proxy.stat("audit_stale") == 0);
}

TEST_CASE("reads of a node that hangs wait for it, the part of a MGET too; others are answered") {
  ClusterWorld world;
  Proxied proxied(world, {"upstream.response_timeout_ms=300", "upstream.reconnect_max_ms=100",
                          "upstream.retry_wait_ms=60000", "l1.enabled=false"});
  const std::vector<std::string> keys{key_on(world, 0), key_on(world, 1), key_on(world, 2)};
  Client client = proxied.client();
  Client other = proxied.client();
  for (const std::string& key : keys) {
    CHECK(client.call("SET", key, "of " + key).text == "OK");
    CHECK(other.call("GET", key).text == "of " + key);
  }
  const std::int64_t before = proxied.proxy.stat("l2_requests");
  world.server(1).pause();
  client.send("MGET", keys[0], keys[1], keys[2]);
  client.send("GET", keys[1]);
  client.send("GET", keys[2]);
  REQUIRE(eventually([&] { return proxied.proxy.stat("l2_requests") - before == 5; }));
  REQUIRE(eventually([&] {
    return node(proxied.proxy.port(), world.server(1).port())->find("timeouts")->integer == 1;
  }));
  CHECK(other.call("GET", keys[0]).text == "of " + keys[0]);
  CHECK(other.call("SET", keys[2], "new").text == "OK");
  world.server(1).resume();
  const Value got = client.read();
  REQUIRE(got.items.size() == 3);
  for (std::size_t i = 0; i < 3; i++) {
    CHECK(got.items[i].text == "of " + keys[i]);
  }
  CHECK(client.read().text == "of " + keys[1]);
  CHECK(client.read().text == "of " + keys[2]);
  CHECK(proxied.proxy.stat("l2_retries") == 2);
  CHECK(proxied.proxy.stat("l2_errors") == 0);
}

}  // namespace tiercache::testing
