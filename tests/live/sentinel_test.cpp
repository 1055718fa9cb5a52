// The program before a master that Sentinel looks after: found, followed, failed over. Real
// servers: a master, two replicas, three sentinels. FAILOVERS in the environment: how often the
// master is killed (3).
#include "failover_load.hpp"
#include "redis_server.hpp"
#include "sentinel_world.hpp"
#include "tiercache_process.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace std::chrono_literals;

namespace tiercache::testing {

namespace {

// What CACHE TOPOLOGY says of a node.
std::optional<Value> node(std::uint16_t proxy, const std::string& address_of) {
  const Value shown = Client(proxy).call("CACHE", "TOPOLOGY");
  for (const Value& one : shown.find("nodes")->items) {
    if (one.find("address")->text == address_of) {
      return one;
    }
  }
  return std::nullopt;
}

bool is_master(std::uint16_t proxy, std::uint16_t server) {
  const auto found = node(proxy, SentinelWorld::address(server));
  return found && found->find("role")->text == "master";
}

bool hits(TiercacheProcess& proxy, Client& client, const std::string& key) {
  return eventually([&] {
    const std::int64_t before = proxy.stat("l1_hits");
    client.call("GET", key);
    return proxy.stat("l1_hits") > before;
  });
}

int failovers() {
  const char* text = std::getenv("FAILOVERS");
  return text != nullptr ? std::atoi(text) : 3;
}

// Nothing where the connection is closed: a sentinel does that to a server whose role it changes.
template <class... Words>
Value ask_server(std::uint16_t port, const Words&... words) {
  try {
    return Client(port).call(words...);
  } catch (const ClientError&) {
    return {};
  }
}

}  // namespace

TEST_CASE("the master is found, served from memory, and shown") {
  SentinelWorld world;
  TiercacheProcess proxy(1, world.settings());
  proxy.wait_live();
  Client client(proxy.port());
  CHECK(client.call("SET", "k", "v").text == "OK");
  CHECK(Client(world.servers[0]->port()).call("GET", "k").text == "v");
  CHECK(hits(proxy, client, "k"));

  const Value shown = client.call("CACHE", "TOPOLOGY");
  CHECK(shown.find("mode")->text == "sentinel");
  CHECK(shown.find("master_name")->text == "main");
  CHECK(shown.find("switches")->integer == 0);
  CHECK(shown.find("last_error")->text.empty());
  const auto master = node(proxy.port(), SentinelWorld::address(world.servers[0]->port()));
  REQUIRE(master);
  CHECK(master->find("role")->text == "master");
  CHECK(master->find("event_link")->text == "live");
  CHECK(master->find("links")->integer >= 1);
  CHECK(master->find("generation")->integer == proxy.stat("generation"));
  world.wait_settled();
  CHECK(eventually([&] {
    const auto replica = node(proxy.port(), SentinelWorld::address(world.servers[1]->port()));
    return replica && replica->find("role")->text == "replica";
  }));
  const auto sentinel = node(proxy.port(), SentinelWorld::address(world.sentinels[0]->port()));
  REQUIRE(sentinel);
  CHECK(sentinel->find("role")->text == "sentinel");
}

TEST_CASE("sentinels and servers each have their own password") {
  SentinelWorld world(
      "requirepass for-sentinels\nsentinel auth-pass main for-servers\n"
      "sentinel sentinel-pass for-sentinels\n");
  for (const auto& server : world.servers) {
    Client client(server->port());
    client.call("CONFIG", "SET", "masterauth", "for-servers");
    client.call("CONFIG", "SET", "requirepass", "for-servers");
  }
  TiercacheProcess proxy(1, world.settings({"upstream.password=for-servers", "listen.auth=proxy",
                                            "upstream.sentinel_password=for-sentinels"}));
  proxy.wait_live();
  CHECK(Client(proxy.port()).call("SET", "k", "v").text == "OK");

  TiercacheProcess wrong(
      1, world.settings({"upstream.password=for-servers", "upstream.sentinel_password=other"}));
  Client client(wrong.port());
  CHECK(client.call("SET", "k", "v").text.find("main is unavailable") != std::string::npos);
  CHECK(eventually([&] {
    return client.call("CACHE", "TOPOLOGY").find("last_error")->text.find("WRONGPASS") !=
           std::string::npos;
  }));
}

TEST_CASE("a master that is switched is left by every link, and nothing of it is served") {
  SentinelWorld world;
  TiercacheProcess proxy(1, world.settings());
  proxy.wait_live();
  Client client(proxy.port());
  Client pinned(proxy.port());
  client.call("SET", "k", "old");
  REQUIRE(hits(proxy, client, "k"));
  CHECK(pinned.call("WATCH", "k").text == "OK");  // a link of its own
  const std::int64_t generation = proxy.stat("generation");

  const std::uint16_t master = world.fail_over();
  REQUIRE(eventually([&] { return is_master(proxy.port(), master); }));
  CHECK(pinned.wait_closed(60s));  // what it watched is gone with the server
  CHECK(Client(master).call("SET", "k", "new").text == "OK");
  CHECK(eventually([&] { return client.call("GET", "k").text == "new"; }));
  proxy.wait_live();
  CHECK(proxy.stat("generation") > generation);
  CHECK(hits(proxy, client, "k"));
  CHECK(client.call("CACHE", "TOPOLOGY").find("switches")->integer == 1);
}

TEST_CASE("a demoted master is not read from, although no sentinel has said a word") {
  SentinelWorld world("sentinel down-after-milliseconds main 60000\n");
  TiercacheProcess proxy(1, world.settings());
  proxy.wait_live();
  Client client(proxy.port());
  CHECK(client.call("SET", "k", "v").text == "OK");
  REQUIRE(hits(proxy, client, "k"));
  // All its connections live on.
  world.follow(0, world.servers[1]->port());
  CHECK(eventually([&] { return client.call("GET", "k").is_error(); }));
  CHECK_FALSE(is_master(proxy.port(), world.servers[0]->port()));
  CHECK(client.call("CACHE", "TOPOLOGY").find("last_error")->text.find("no master") !=
        std::string::npos);
  CHECK(proxy.stat("event_link_losses") >= 1);
  Client(world.servers[0]->port()).call("REPLICAOF", "NO", "ONE");
  CHECK(eventually([&] { return client.call("SET", "k", "w").text == "OK"; }));
  CHECK(client.call("GET", "k").text == "w");
}

TEST_CASE(
    "the master is killed under load: errors in the window only, nothing stale, nothing wrong") {
  SentinelWorld world;
  TiercacheProcess proxy(1, world.settings());
  proxy.wait_live();
  FailoverLoad load(proxy.port());
  for (int round = 1; round <= failovers(); round++) {
    world.wait_settled();
    const std::size_t master = world.index_of(world.named_master());
    REQUIRE(eventually([&] {
      const FailoverLoad::Tally tally = load.tally();
      return tally.reads > 1000 && tally.writes > 200;
    }));
    const std::int64_t hits_before = proxy.stat("l1_hits");
    load.begin_disaster();
    world.servers[master]->kill9();
    const auto killed = std::chrono::steady_clock::now();
    load.disaster();
    std::optional<std::chrono::milliseconds> switched;
    REQUIRE(eventually([&] {
      for (std::size_t i = 0; i < SentinelWorld::kSentinels && !switched; i++) {
        if (world.named_master(i) != world.servers[master]->port()) {
          switched = std::chrono::duration_cast<std::chrono::milliseconds>(
              std::chrono::steady_clock::now() - killed);
        }
      }
      return load.tally().writes_again;
    }));
    proxy.wait_live();
    CHECK(eventually([&] { return proxy.stat("l1_hits") > hits_before; }));
    // The old one comes back, empty, and thinks itself a master until it is told.
    world.servers[master]->start();
    REQUIRE(eventually([&] {
      const FailoverLoad::Tally tally = load.tally();
      return tally.reads > 1000 && tally.writes > 200;
    }));
    const FailoverLoad::Tally tally = load.tally();
    std::printf(
        "failover %d: sentinels %lld ms, writes again after %lld ms, %llu errors, %llu reads\n",
        round, static_cast<long long>(switched.value_or(0ms).count()),
        static_cast<long long>(tally.window.count()), static_cast<unsigned long long>(tally.errors),
        static_cast<unsigned long long>(tally.reads));
    std::fflush(stdout);
    world.follow(master, world.named_master());
  }
  const std::vector<std::string> different = load.differences(world.named_master());
  for (const std::string& one : different) {
    FAIL_CHECK(one);
  }
  for (const std::string& wrong : load.tally().wrong) {
    FAIL_CHECK(wrong);
  }
}

TEST_CASE("a master that was cut off and comes back: nothing that it acknowledged is served") {
  SentinelWorld world;
  TiercacheProcess proxy(1, world.settings());
  proxy.wait_live();
  Client client(proxy.port(), 60s);
  client.call("SET", "k", "before");
  REQUIRE(hits(proxy, client, "k"));
  world.wait_settled();
  const std::size_t old = world.index_of(world.named_master());
  const std::uint16_t old_port = world.servers[old]->port();

  world.servers[old]->pause();
  REQUIRE(eventually([&] { return world.named_master() != old_port; }));
  const std::uint16_t master = world.named_master();
  REQUIRE(eventually([&] { return client.call("SET", "k", "after").text == "OK"; }));
  CHECK(Client(master).call("GET", "k").text == "after");
  REQUIRE(hits(proxy, client, "k"));

  // It still thinks itself the master, and acknowledges what it will lose.
  world.servers[old]->resume();
  CHECK(Client(old_port).call("SET", "k", "lost").text == "OK");
  CHECK(Client(old_port).call("SET", "only", "lost").text == "OK");
  // Until it has become a replica, and further, since it may be promoted again.
  bool replica = false;
  std::size_t looks = 0;
  REQUIRE(eventually([&] {
    REQUIRE(client.call("GET", "k").text == "after");
    REQUIRE(client.call("GET", "only").is_nil());
    REQUIRE(Client(proxy.port()).call("GET", "k").text == "after");
    const Value role = ask_server(old_port, "ROLE");
    replica = !role.items.empty() && role.items[0].text == "slave";
    return replica && ++looks > 20;
  }));
  CHECK(is_master(proxy.port(), master));
  for (std::size_t i = 0; i < SentinelWorld::kServers; i++) {
    if (i != old && world.servers[i]->port() != master) {
      world.servers[i]->kill9();
    }
  }
  REQUIRE(eventually([&] { return ask_server(old_port, "GET", "k").text == "after"; }));
  world.servers[world.index_of(master)]->kill9();
  REQUIRE(eventually([&] { return is_master(proxy.port(), old_port); }));
  REQUIRE(eventually([&] { return client.call("GET", "k").text == "after"; }));
  CHECK(client.call("GET", "only").is_nil());
}

}  // namespace tiercache::testing
