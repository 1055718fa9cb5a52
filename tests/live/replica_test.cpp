// Reads that go to a replica: real servers, a replica that is behind, lost, promoted.
#include "cluster_world.hpp"
#include "failover_load.hpp"
#include "faultproxy/fault_proxy.hpp"
#include "redis_server.hpp"
#include "sentinel_world.hpp"
#include "tiercache_process.hpp"

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace std::chrono_literals;

namespace tiercache::testing {

namespace {

// A master, and a replica that hears it through a proxy that can make it wait.
struct ReplicaWorld {
  explicit ReplicaWorld(std::vector<std::string> more = {}) : replication(master.port()) {
    follow(replica, replication.port());
    more.insert(more.end(), {"upstream.read_from=replica", "listen.auth=proxy"});
    proxy = std::make_unique<TiercacheProcess>(master.port(), more);
    proxy->wait_live();
    REQUIRE(eventually([&] { return reads_from(replica); }));
  }

  static void follow(RedisServer& server, std::uint16_t port) {
    Client client(server.port());
    client.call("REPLICAOF", "127.0.0.1", std::to_string(port));
    REQUIRE(eventually([&] {
      return client.call("INFO", "replication").text.find("master_link_status:up") !=
             std::string::npos;
    }));
  }
  Value shown() {
    return Client(proxy->port()).call("CACHE", "TOPOLOGY").find("nodes")->items.at(0);
  }
  // It does, and has caught up.
  bool reads_from(RedisServer& server) {
    const Value node = shown();
    return node.find("read_from")->text == "127.0.0.1:" + std::to_string(server.port()) &&
           node.find("event_link")->text == "live" && node.find("replica_lag_ms")->integer >= 0 &&
           node.find("replica_error")->text.empty();
  }
  // A read of a key that L1 does not have, and that the master has not shown, goes there.
  bool is_asked(RedisServer& server) {
    const auto calls = [&] {
      const std::string info = Client(server.port()).call("INFO", "commandstats").text;
      const std::size_t at = info.find("cmdstat_strlen:calls=");
      return at == std::string::npos ? 0 : std::stol(info.substr(at + 21));
    };
    const long before = calls();
    Client(proxy->port()).call("STRLEN", "fresh" + std::to_string(next_fresh++));
    return calls() > before;
  }

  RedisServer master;
  faultproxy::FaultProxy replication;
  RedisServer replica;
  std::unique_ptr<TiercacheProcess> proxy;
  unsigned next_fresh = 0;
};

void check_right(FailoverLoad& load, std::uint16_t master) {
  for (const std::string& one : load.differences(master)) {
    FAIL_CHECK(one);
  }
  for (const std::string& wrong : load.tally().wrong) {
    FAIL_CHECK(wrong);
  }
}

// It does more, whatever happened before.
bool goes_on(FailoverLoad& load) {
  const FailoverLoad::Tally before = load.tally();
  return eventually([&] {
    const FailoverLoad::Tally now = load.tally();
    return now.reads > before.reads + 1000 && now.writes > before.writes + 200;
  });
}

}  // namespace

TEST_CASE("reads that L1 keeps go to the replica, all else to the master") {
  ReplicaWorld world;
  Client direct(world.master.port());
  direct.call("SET", "k", "v");
  direct.call("RPUSH", "list", "a", "b");
  Client client(world.proxy->port());
  CHECK(eventually([&] { return client.call("GET", "k").text == "v"; }));
  CHECK(eventually([&] { return world.is_asked(world.replica); }));
  CHECK(eventually([&] { return !world.is_asked(world.master); }));
  CHECK(world.proxy->stat("l2_replica_reads") > 0);
  CHECK(eventually([&] {
    const std::int64_t hits = world.proxy->stat("l1_hits");
    client.call("GET", "k");
    return world.proxy->stat("l1_hits") > hits;
  }));
  // The replica would refuse these.
  CHECK(client.call("SET", "k", "w").text == "OK");
  CHECK(client.call("GET", "k").text == "w");
  CHECK(client.call("EVAL", "return redis.call('INCR', KEYS[1])", "1", "n").integer == 1);
  CHECK(client.call("GET", "n").text == "1");
  CHECK(client.call("MULTI").text == "OK");
  CHECK(client.call("APPEND", "k", "x").text == "QUEUED");
  CHECK(client.call("GET", "k").text == "QUEUED");
  CHECK(client.call("EXEC").items.at(1).text == "wx");
  CHECK(client.call("MGET", "k", "n").items.at(0).text == "wx");
  CHECK(client.call("LRANGE", "list", "0", "-1").items.size() == 2);
  CHECK(client.call("BLPOP", "list", "1").items.at(1).text == "a");
  CHECK(client.call("LRANGE", "list", "0", "-1").items.size() == 1);
  // What is written past the proxy comes by the replica's events.
  direct.call("SET", "k", "direct");
  CHECK(eventually([&] { return client.call("GET", "k").text == "direct"; }));
}

TEST_CASE("one connection's requests keep their order over both servers") {
  ReplicaWorld world;
  world.replication.must("delay down 50");
  Client client(world.proxy->port());
  std::string expected;
  for (int round = 0; round < 20; round++) {
    const std::string value = std::to_string(round);
    client.send("GET", "other");
    client.send("SET", "k", value);
    client.send("GET", "k");
    client.send("STRLEN", "other");
    client.send("EVAL", "return redis.call('APPEND', KEYS[1], 'x')", "1", "k");
    client.send("MGET", "k", "other");
    CHECK(client.read().is_nil());
    CHECK(client.read().text == "OK");
    CHECK(client.read().text == value);
    CHECK(client.read().integer == 0);
    CHECK(client.read().integer == static_cast<std::int64_t>(value.size()) + 1);
    CHECK(client.read().items.at(0).text == value + "x");
  }
}

TEST_CASE("a replica that is behind shows nobody the past") {
  ReplicaWorld world({"coherence.audit_per_s=200"});
  world.replication.must("delay down 100");
  FailoverLoad load(world.proxy->port());
  REQUIRE(goes_on(load));
  // Keys that nobody writes are read from there meanwhile.
  CHECK(eventually([&] { return world.is_asked(world.replica); }));
  world.replication.must("clear");
  REQUIRE(goes_on(load));
  check_right(load, world.master.port());
  // Of what the replica does not have yet the audit says nothing; of the rest it does.
  CHECK(eventually([&] { return world.proxy->stat("audit_checked") > 0; }));
  CHECK(world.proxy->stat("audit_stale") == 0);
}

TEST_CASE("a replica that hears its master no more is not believed for long") {
  ReplicaWorld world({"upstream.max_replica_lag_ms=300"});
  Client direct(world.master.port());
  Client client(world.proxy->port());
  direct.call("SET", "k", "old");
  CHECK(eventually([&] { return client.call("GET", "k").text == "old"; }));
  world.replication.must("pause down");
  direct.call("SET", "k", "new");
  CHECK(eventually([&] { return client.call("GET", "k").text == "new"; }));
  CHECK(Client(world.replica.port()).call("GET", "k").text == "old");
  CHECK(eventually([&] { return world.proxy->stat("replica_lag_ms") > 300; }));
  CHECK(eventually([&] { return world.is_asked(world.master); }));
  world.replication.must("resume");
  CHECK(eventually([&] { return world.reads_from(world.replica); }));
  CHECK(eventually([&] { return world.is_asked(world.replica); }));
}

TEST_CASE("without its replica the master is read, and another one is found") {
  ReplicaWorld world;
  FailoverLoad load(world.proxy->port());
  REQUIRE(goes_on(load));
  load.begin_disaster();
  world.replica.kill9();
  load.disaster();
  CHECK(eventually([&] { return world.reads_from(world.master); }));
  REQUIRE(goes_on(load));
  CHECK(world.is_asked(world.master));
  RedisServer other;
  ReplicaWorld::follow(other, world.master.port());
  CHECK(eventually([&] { return world.reads_from(other); }));
  CHECK(eventually([&] { return world.is_asked(other); }));
  REQUIRE(goes_on(load));
  check_right(load, world.master.port());
}

TEST_CASE("with Sentinel: the replica that is read from becomes the master") {
  SentinelWorld world;
  world.wait_settled();
  TiercacheProcess proxy(1, world.settings({"upstream.read_from=replica"}));
  proxy.wait_live();
  const auto reads_from = [&] {
    const Value shown = Client(proxy.port()).call("CACHE", "TOPOLOGY");
    for (const Value& node : shown.find("nodes")->items) {
      if (node.find("read_from") != nullptr) {
        return node.find("read_from")->text;
      }
    }
    return std::string();
  };
  const auto from_a_replica = [&] {
    const std::string from = reads_from();
    return !from.empty() && from != SentinelWorld::address(world.named_master());
  };
  CHECK_MESSAGE(eventually(from_a_replica), proxy.log());
  FailoverLoad load(proxy.port());
  REQUIRE(goes_on(load));
  for (int round = 0; round < 2; round++) {
    world.wait_settled();
    const std::size_t master = world.index_of(world.named_master());
    load.begin_disaster();
    world.servers[master]->kill9();
    load.disaster();
    REQUIRE(eventually([&] { return load.tally().writes_again; }));
    REQUIRE(goes_on(load));
    CHECK_MESSAGE(eventually(from_a_replica), proxy.log());
    const std::int64_t before = proxy.stat("l2_replica_reads");
    CHECK(eventually([&] { return proxy.stat("l2_replica_reads") > before; }));
    world.servers[master]->start();
    world.follow(master, world.named_master());
  }
  check_right(load, world.named_master());
}

TEST_CASE("over a Cluster: replicas answer while slots move, and no key is missing") {
  ClusterWorld world(3, 3);
  TiercacheProcess proxy(1, {"upstream.nodes=" + world.addresses(), "upstream.read_from=replica",
                             "listen.auth=proxy"});
  proxy.wait_live();
  Client client(proxy.port());
  std::vector<std::string> keys;
  for (int i = 0; i < 60; i++) {
    keys.push_back("{tag" + std::to_string(i % 6) + "}:" + std::to_string(i));
    CHECK(client.call("SET", keys.back(), keys.back()).text == "OK");
  }
  unsigned round = 100;
  const auto all_there = [&] {
    const std::string end = std::to_string(round++);  // L1 does not have it
    for (const std::string& key : keys) {
      REQUIRE(client.call("GETRANGE", key, "0", end).text == key);
      REQUIRE(client.call("GET", key).text == key);
    }
  };
  CHECK(eventually([&] {
    all_there();
    return proxy.stat("l2_replica_reads") >= 60;
  }));
  for (int tag = 0; tag < 3; tag++) {
    const std::uint16_t slot = world.slot("{tag" + std::to_string(tag) + "}");
    const std::size_t to = (world.owner(slot) + 1) % 3;
    world.begin_move(slot, to);
    all_there();
    world.end_move(slot, to);
    all_there();
  }
  const std::int64_t before = proxy.stat("l2_replica_reads");
  CHECK(eventually([&] {
    REQUIRE(client.call("GET", "missing").is_nil());
    all_there();
    return proxy.stat("l2_replica_reads") > before + 10;
  }));
  CHECK(client.call("GET", "missing").is_nil());
  CHECK(client.call("MGET", keys[0], keys[1], "missing").items.at(1).text == keys[1]);
}

}  // namespace tiercache::testing
