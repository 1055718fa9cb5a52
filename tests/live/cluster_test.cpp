// The program before a Redis Cluster: slots, redirects, failover, and an L1 that stays true through
// all of them. Real servers.
#include "cluster_proxied.hpp"
#include "cluster_world.hpp"
#include "failover_load.hpp"
#include "tiercache_process.hpp"

#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace std::chrono_literals;

namespace tiercache::testing {

TEST_CASE("keys lie where their slot is, are served from memory, and direct writes are heard") {
  ClusterWorld world;
  Proxied proxied(world);
  Client client = proxied.client();
  std::set<std::size_t> owners;
  constexpr int kKeys = 600;
  for (int i = 0; i < kKeys; i++) {
    const std::string key = "key:" + std::to_string(i);
    REQUIRE(client.call("SET", key, std::to_string(i)).text == "OK");
  }
  for (int i = 0; i < kKeys; i++) {
    const std::string key = "key:" + std::to_string(i);
    REQUIRE(client.call("GET", key).text == std::to_string(i));
    if (i % 20 == 0) {
      owners.insert(world.owner_of(key));
      REQUIRE(world.direct(key).call("GET", key).text == std::to_string(i));
    }
  }
  CHECK(owners.size() == 3);
  for (std::size_t master = 0; master < 3; master++) {
    const std::string key = key_on(world, master);
    client.call("SET", key, "old");
    CHECK(hits(proxied, client, key));
    world.direct(key).call("SET", key, "new");
    CHECK(eventually([&] { return client.call("GET", key).text == "new"; }));
    CHECK(hits(proxied, client, key));
    // A flush of one server.
    Client(world.server(master).port()).call("FLUSHALL");
    CHECK(eventually([&] { return client.call("GET", key).is_nil(); }));
  }
  CHECK(proxied.proxy.stat("l2_redirects") == 0);

  const Value shown = client.call("CACHE", "TOPOLOGY");
  CHECK(shown.find("mode")->text == "cluster");
  CHECK(shown.find("nodes")->items.size() == 3);
  const auto first = node(proxied.proxy.port(), world.server(0).port());
  REQUIRE(first);
  CHECK(first->find("role")->text == "master");
  CHECK(first->find("slots")->text == "0-5460");
  CHECK(first->find("event_link")->text == "live");
  CHECK(first->find("links")->integer >= 1);
  const std::string one = key_on(world, 1);
  client.call("SET", one, "v");
  CHECK(hits(proxied, client, one));
  CHECK(client.call("CACHE", "KEY", one).find("state")->text == "cached");
  CHECK(client.call("CACHE", "FLUSH").integer >= 1);
  CHECK(client.call("CACHE", "KEY", one).find("state")->text == "absent");
}

TEST_CASE("replies come in the order of the requests, whichever nodes give them") {
  ClusterWorld world;
  Proxied proxied(world);
  Client client = proxied.client();
  constexpr int kRequests = 2000;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < kRequests; i++) {
      const std::string key = "order:" + std::to_string(i % 97);
      client.send("SET", key, std::to_string(round * kRequests + i));
      client.send("GET", key);
    }
    for (int i = 0; i < kRequests; i++) {
      REQUIRE(client.read().text == "OK");
      REQUIRE(client.read().text == std::to_string(round * kRequests + i));
    }
  }
}

TEST_CASE("transactions run on the node of their keys") {
  ClusterWorld world;
  Proxied proxied(world);
  Client client = proxied.client();
  const std::string other = key_on(world, 0);
  for (std::size_t master = 0; master < 3; master++) {
    const std::string key = key_on(world, master, "t");
    CHECK(client.call("MULTI").text == "OK");
    CHECK(client.call("INCR", key).text == "QUEUED");
    CHECK(client.call("INCR", key).text == "QUEUED");
    CHECK(client.call("EXEC").items.at(1).integer == 2);
    CHECK(world.direct(key).call("GET", key).text == "2");
    // WATCH, and a write in between.
    CHECK(client.call("WATCH", key).text == "OK");
    world.direct(key).call("SET", key, "7");
    CHECK(client.call("MULTI").text == "OK");
    CHECK(client.call("SET", key, "8").text == "QUEUED");
    CHECK(client.call("EXEC").is_nil());
    CHECK(client.call("GET", key).text == "7");
  }
  // Keys of two nodes.
  const std::string far = key_on(world, 2);
  CHECK(client.call("MULTI").text == "OK");
  CHECK(client.call("SET", other, "x").text == "QUEUED");
  CHECK(client.call("SET", far, "x").text.starts_with("CROSSSLOT"));
  CHECK(client.call("EXEC").text.starts_with("EXECABORT"));
  CHECK(client.call("GET", other).is_nil());
  // Nothing in it, and nothing of it.
  CHECK(client.call("MULTI").text == "OK");
  CHECK(client.call("EXEC").items.empty());
  CHECK(client.call("MULTI").text == "OK");
  CHECK(client.call("DISCARD").text == "OK");
  CHECK(client.call("EXEC").text.starts_with("ERR EXEC without MULTI"));
  // In RESP3 too.
  CHECK(!client.call("HELLO", "3").is_error());
  CHECK(client.call("MULTI").text == "OK");
  CHECK(client.call("GET", far).text == "QUEUED");
  CHECK(client.call("EXEC").items.at(0).is_nil());
}

TEST_CASE("blocking commands wait on the node of their keys") {
  ClusterWorld world;
  Proxied proxied(world);
  Client client = proxied.client();
  for (std::size_t master = 0; master < 3; master++) {
    const std::string key = key_on(world, master, "list");
    client.send("BLPOP", key, "0");
    Client pusher(world.server(master).port());
    REQUIRE(eventually([&] {
      return pusher.call("INFO", "clients").text.find("blocked_clients:1") != std::string::npos;
    }));
    pusher.call("RPUSH", key, "v");
    CHECK(client.read().items.at(1).text == "v");
  }
  // What follows is for another node.
  const std::string near = key_on(world, 0, "list");
  const std::string far = key_on(world, 1);
  client.call("RPUSH", near, "v");
  client.send("BLPOP", near, "0");
  client.send("SET", far, "1");
  CHECK(client.read().items.at(1).text == "v");
  CHECK(client.read().text == "OK");
}

TEST_CASE("a lost node costs its own entries, and no other node an error") {
  ClusterWorld world;
  Proxied proxied(world);
  Client client = proxied.client();
  std::vector<std::string> keys;
  std::vector<std::int64_t> generations;
  for (std::size_t master = 0; master < 3; master++) {
    keys.push_back(key_on(world, master));
    client.call("SET", keys.back(), "v");
    REQUIRE(hits(proxied, client, keys.back()));
  }
  for (std::size_t master = 0; master < 3; master++) {
    generations.push_back(generation(proxied, world.server(master)));
  }
  const std::string written = key_on(world, 1, "w");
  world.server(0).kill9();
  CHECK(eventually([&] { return client.call("GET", keys[0]).is_error(); }));
  for (int i = 0; i < 100; i++) {
    REQUIRE(client.call("GET", keys[1]).text == "v");
    REQUIRE(client.call("GET", keys[2]).text == "v");
    REQUIRE(client.call("SET", written, "v").text == "OK");
    const Value reply = client.call("GET", keys[0]);
    REQUIRE(reply.is_error());
  }
  CHECK(hits(proxied, client, keys[1]));
  CHECK(generation(proxied, world.server(1)) == generations[1]);
  CHECK(generation(proxied, world.server(2)) == generations[2]);
  world.server(0).start();
  CHECK(eventually([&] { return client.call("GET", keys[0]).is_nil(); }));
  CHECK(client.call("SET", keys[0], "again").text == "OK");
  CHECK(hits(proxied, client, keys[0]));
}

TEST_CASE("a node that hangs is given up, costs its own keys only, and is taken up again") {
  ClusterWorld world;
  Proxied proxied(world, {"upstream.response_timeout_ms=500", "upstream.reconnect_max_ms=200"});
  Client client = proxied.client();
  const std::string lost = key_on(world, 0);
  const std::string kept = key_on(world, 1);
  REQUIRE(client.call("SET", lost, "v").text == "OK");
  REQUIRE(client.call("SET", kept, "v").text == "OK");
  world.server(0).pause();
  for (int i = 0; i < 10; i++) {
    client.send("SET", lost, "w");
    client.send("SET", kept, std::to_string(i));
    client.send("GET", kept);
    CHECK(client.read().is_error());
    CHECK(client.read().text == "OK");
    CHECK(client.read().text == std::to_string(i));
  }
  const auto shown = node(proxied.proxy.port(), world.server(0).port());
  REQUIRE(shown);
  CHECK(shown->find("timeouts")->integer >= 1);
  world.server(0).resume();
  CHECK(eventually([&] { return client.call("SET", lost, "x").text == "OK"; }));
  CHECK(client.call("GET", lost).text == "x");
  CHECK(hits(proxied, client, lost));
}

TEST_CASE("a slot on its way: keys here and there, and which do not exist yet") {
  ClusterWorld world;
  Proxied proxied(world);
  Client client = proxied.client();
  const std::string tag = "{" + key_on(world, 0) + "}";
  const std::uint16_t slot = world.slot(tag);
  client.call("SET", tag + "here", "1");
  CHECK(hits(proxied, client, tag + "here"));
  world.begin_move(slot, 1);
  // Served where it still is; what is missing there is asked for at the other.
  CHECK(client.call("GET", tag + "here").text == "1");
  CHECK(client.call("GET", tag + "new").is_nil());
  CHECK(client.call("SET", tag + "new", "2").text == "OK");
  CHECK(client.call("GET", tag + "new").text == "2");
  CHECK(client.call("INCR", tag + "new").integer == 3);
  CHECK(client.call("GET", tag + "new").text == "3");
  CHECK(client.call("EVAL", "return redis.call('incr', KEYS[1])", "1", tag + "new").integer == 4);
  CHECK(client.call("MGET", tag + "here", tag + "new").text.starts_with("TRYAGAIN"));
  CHECK(proxied.proxy.stat("l2_redirects") >= 5);
  // Written past the proxy, at the other: what L1 has must not hide it.
  Client there(world.server(1).port());
  CHECK(there.call("ASKING").text == "OK");
  CHECK(there.call("SET", tag + "new", "direct").text == "OK");
  CHECK(client.call("GET", tag + "new").text == "direct");
  world.end_move(slot, 1);
  CHECK(client.call("GET", tag + "here").text == "1");
  CHECK(client.call("GET", tag + "new").text == "direct");
  CHECK(client.call("SET", tag + "here", "5").text == "OK");
  CHECK(there.call("GET", tag + "here").text == "5");
  CHECK(hits(proxied, client, tag + "here"));
  there.call("SET", tag + "here", "6");
  CHECK(eventually([&] { return client.call("GET", tag + "here").text == "6"; }));
}

TEST_CASE("redirects that name a host, or none, are followed") {
  ClusterWorld world;
  Proxied proxied(world);
  Client client = proxied.client();
  const auto set = [&](std::size_t server, const std::string& name, const std::string& value) {
    REQUIRE(Client(world.server(server).port()).call("CONFIG", "SET", name, value).text == "OK");
  };
  // Nobody can resolve these.
  for (std::size_t i = 0; i < world.size(); i++) {
    set(i, "cluster-announce-hostname", "node" + std::to_string(i) + ".invalid");
  }
  for (std::size_t i = 0; i < world.size(); i++) {
    REQUIRE(eventually([&] {
      const std::string nodes = Client(world.server(i).port()).call("CLUSTER", "NODES").text;
      return nodes.find("node0.invalid") != std::string::npos &&
             nodes.find("node1.invalid") != std::string::npos &&
             nodes.find("node2.invalid") != std::string::npos;
    }));
  }
  int round = 0;
  for (const std::string type : {"hostname", "unknown-endpoint", "hostname"}) {
    CAPTURE(round);
    for (std::size_t i = 0; i < world.size(); i++) {
      set(i, "cluster-preferred-endpoint-type", type);
      if (round == 2) {
        set(i, "cluster-announce-hostname", "");  // "?"
      }
    }
    const std::string tag = "{" + key_on(world, 0, "host" + std::to_string(round) + ":") + "}";
    const std::uint16_t slot = world.slot(tag);
    const std::string expected = round == 0 ? "node1.invalid:" : round == 1 ? " :" : " ?:";
    REQUIRE(client.call("SET", tag + "here", "1").text == "OK");
    world.begin_move(slot, 1);
    const Value ask = Client(world.server(0).port()).call("GET", tag + "new");
    REQUIRE(ask.text.starts_with("ASK "));
    REQUIRE(eventually([&] {
      return Client(world.server(0).port()).call("GET", tag + "new").text.find(expected) !=
             std::string::npos;
    }));
    const std::int64_t before = proxied.proxy.stat("l2_redirects");
    CHECK(client.call("SET", tag + "new", "2").text == "OK");
    CHECK(client.call("GET", tag + "new").text == "2");
    world.end_move(slot, 1);
    CHECK(client.call("GET", tag + "here").text == "1");
    CHECK(client.call("SET", tag + "here", "3").text == "OK");
    CHECK(client.call("GET", tag + "new").text == "2");
    CHECK(world.direct(tag).call("GET", tag + "here").text == "3");
    CHECK(proxied.proxy.stat("l2_redirects") > before);
    round++;
  }
}

TEST_CASE("what names no key waits for requests that may have to go to another node") {
  ClusterWorld world;
  Proxied proxied(world);
  Client client = proxied.client();
  const std::string id = client.call("CLUSTER", "MYID").text;
  std::size_t asked = 0;  // the node that is asked what names no key
  while (Client(world.server(asked).port()).call("CLUSTER", "MYID").text != id) {
    REQUIRE(++asked < 3);
  }
  const std::size_t other = (asked + 1) % 3;
  // The slot goes there, and the proxy learns it by the SET.
  for (int round = 0; round < 5; round++) {
    const std::string key = key_on(world, other, "round" + std::to_string(round) + ":");
    REQUIRE(client.call("SET", key, "first").text == "OK");
    world.move(world.slot(key), asked);
    client.send("SET", key, "second");
    client.send("EVAL", "return redis.call('SET', ARGV[1], ARGV[2])", "0", key, "third");
    CHECK(client.read().text == "OK");
    CHECK(client.read().text == "OK");
    CHECK(client.call("GET", key).text == "third");
    CHECK(world.direct(key).call("GET", key).text == "third");
    world.move(world.slot(key), other);
    client.send("SET", key, "fourth");
    client.send("FLUSHALL");
    CHECK(client.read().text == "OK");
    CHECK(client.read().text == "OK");
    CHECK(client.call("GET", key).is_nil());
  }
}

TEST_CASE("slots move under load, to a new node too: no error, and nothing that may not be") {
  ClusterWorld world;
  Proxied proxied(world);
  {
    FailoverLoad load(proxied.proxy.port());
    REQUIRE(eventually([&] { return load.tally().writes > 200; }));
    // The slots of the keys that the load uses, there and back, and many empty ones.
    std::vector<std::uint16_t> slots;
    for (int key = 0; key < 24; key++) {
      slots.push_back(world.slot("failover:" + std::to_string(key)));
    }
    for (std::uint16_t slot = 0; slot < 1000; slot++) {
      if (slot % 40 == 0) {
        const std::uint16_t own = slots[slot / 40U % slots.size()];
        world.move(own, (world.owner(own) + 1) % 3);
      }
      world.move(slot, (world.owner(slot) + 1) % 3);
    }
    const std::size_t added = world.add();
    for (const std::uint16_t slot : slots) {
      world.move(slot, added);
    }
    const std::uint64_t writes = load.tally().writes;
    REQUIRE(eventually([&] { return load.tally().writes > writes + 200; }));
    for (const std::uint16_t slot : slots) {
      world.move(slot, slot % 3U);
    }
    world.wait_agreed();
    // The proxy's question under way may be from before; it asks the next one when it has heard.
    const long asked = world.asked();
    REQUIRE(eventually([&] { return world.asked() >= asked + 2; }));
    REQUIRE(eventually([&] {
      const auto shown = node(proxied.proxy.port(), world.server(added).port());
      return shown && shown->find("slots")->text.empty();
    }));
    const std::uint64_t written = load.tally().writes;
    REQUIRE(eventually([&] { return load.tally().writes > written + 200; }));
    world.forget(added);
    const FailoverLoad::Tally tally = load.tally();
    for (const std::string& wrong : tally.wrong) {
      FAIL_CHECK(wrong);
    }
    CHECK(tally.errors == 0);
    MESSAGE(tally.reads << " reads, " << tally.writes << " writes, "
                        << proxied.proxy.stat("l2_redirects") << " redirects, "
                        << proxied.proxy.stat("l1_hits") << " hits");
  }
  CHECK(proxied.proxy.stat("l2_redirects") > 0);
  CHECK(proxied.proxy.stat("audit_stale") == 0);
  Client client = proxied.client();
  for (int i = 0; i < 24; i++) {
    const std::string key = "failover:" + std::to_string(i);
    CHECK(client.call("GET", key) == world.direct(key).call("GET", key));
  }
}

TEST_CASE("a master dies and its replica takes over, while the others serve") {
  ClusterWorld world(3, 3);
  Proxied proxied(world);
  Client client = proxied.client();
  const std::string lost = key_on(world, 0);
  const std::string fine = key_on(world, 1);
  client.call("SET", lost, "v");
  client.call("SET", fine, "0");
  REQUIRE(hits(proxied, client, lost));
  REQUIRE(Client(world.server(0).port()).call("WAIT", "1", "10000").integer == 1);
  world.server(0).kill9();
  int version = 0;
  std::uint64_t errors = 0;
  REQUIRE(eventually([&] {
    version++;
    REQUIRE(client.call("SET", fine, std::to_string(version)).text == "OK");
    REQUIRE(client.call("GET", fine).text == std::to_string(version));
    const bool written = client.call("SET", lost, "new").text == "OK";
    errors += written ? 0 : 1;
    return written;
  }));
  MESSAGE(errors << " errors of the lost master's keys until the replica had taken over");
  CHECK(client.call("GET", lost).text == "new");
  CHECK(Client(world.server(3).port()).call("GET", lost).text == "new");
  CHECK(hits(proxied, client, lost));
  // The master of old comes back as a replica.
  world.server(0).start();
  CHECK(eventually([&] {
    const auto shown = node(proxied.proxy.port(), world.server(0).port());
    return shown && shown->find("role")->text == "replica";
  }));
  CHECK(client.call("SET", lost, "newer").text == "OK");
  CHECK(client.call("GET", lost).text == "newer");
}

TEST_CASE("keys that live in the proxy alone have no slot") {
  ClusterWorld world;
  Proxied proxied(world, {},
                  "[[namespace]]\nname = \"ours\"\nmatch = [\"ours:*\"]\ntiers = \"l1\"\n");
  Client client = proxied.client();
  CHECK(client.call("MSET", "ours:1", "a", "ours:2", "b", "ours:3", "c").text == "OK");
  CHECK(client.call("MGET", "ours:1", "ours:2", "ours:3").items.at(2).text == "c");
  CHECK(client.call("DBSIZE").integer == 0);
  CHECK(client.call("FLUSHALL").text == "OK");
  CHECK(client.call("GET", "ours:1").is_nil());
}

TEST_CASE("no cluster there: an error that says so") {
  RedisServer plain;
  TiercacheProcess proxy(1, {"upstream.nodes=" + ClusterWorld::address(plain.port())});
  Client client(proxy.port());
  CHECK(client.call("GET", "k").text.starts_with("CLUSTERDOWN"));
  CHECK(eventually([&] {
    return client.call("CACHE", "TOPOLOGY").find("last_error")->text.find("cluster support") !=
           std::string::npos;
  }));
}

}  // namespace tiercache::testing
