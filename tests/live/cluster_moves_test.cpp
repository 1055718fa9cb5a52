// What L1 keeps while slots of a Redis Cluster move: all but these slots.
#include "cluster_proxied.hpp"
#include "cluster_world.hpp"

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

bool cached(Client& client, const std::string& key) {
  return client.call("CACHE", "KEY", key).find("state")->text == "cached";
}

// "0-16 18"
bool names_slot(const std::string& slots, unsigned long slot) {
  std::istringstream words(slots);
  for (std::string word; words >> word;) {
    const std::size_t dash = word.find('-');
    const unsigned long from = std::stoul(word);
    const unsigned long to = dash == std::string::npos ? from : std::stoul(word.substr(dash + 1));
    if (from <= slot && slot <= to) {
      return true;
    }
  }
  return false;
}

// The proxy has heard of it.
bool knows(Proxied& proxied, ClusterWorld& world, std::uint16_t slot, std::size_t owner) {
  return eventually([&] {
    const auto shown = node(proxied.proxy.port(), world.server(owner).port());
    return shown && names_slot(shown->find("slots")->text, slot);
  });
}

}  // namespace

TEST_CASE("hits on other slots of the nodes survive a resharding") {
  ClusterWorld world;
  Proxied proxied(world, {"coherence.max_staleness_ms=60000"});
  Client client = proxied.client();
  // Keys of the two masters, one of which gives the other slots.
  std::vector<std::string> kept;
  for (int i = 0; kept.size() < 100; i++) {
    const std::string key = "kept:" + std::to_string(i);
    if (world.owner_of(key) < 2) {
      kept.push_back(key);
      REQUIRE(client.call("SET", key, "v").text == "OK");
    }
  }
  client.settle();
  // On a machine that stalls L1 may be emptied; else once is enough.
  const auto warm = [&] {
    return eventually([&] {
      bool all = true;
      for (const std::string& key : kept) {
        client.call("GET", key);
        all = cached(client, key) && all;
      }
      return all;
    });
  };
  REQUIRE(warm());
  const std::string moving = "{" + key_on(world, 0, "moving:") + "}";
  const std::uint16_t slot = world.slot(moving);
  REQUIRE(client.call("SET", moving, "1").text == "OK");
  REQUIRE(hits(proxied, client, moving));
  const std::int64_t first = generation(proxied, world.server(0));
  const std::int64_t second = generation(proxied, world.server(1));
  const std::int64_t losses = proxied.proxy.stat("event_link_losses");
  std::size_t owner = 0;
  for (int round = 0; round < 10; round++) {
    owner = 1 - owner;
    world.move(slot, owner);
    REQUIRE(world.direct(moving).call("SET", moving, std::to_string(round)).text == "OK");
    REQUIRE(eventually([&] { return client.call("GET", moving).text == std::to_string(round); }));
    REQUIRE(knows(proxied, world, slot, owner));
    REQUIRE(hits(proxied, client, moving));
  }
  if (proxied.proxy.stat("event_link_losses") == losses) {
    CHECK(generation(proxied, world.server(0)) == first);
    CHECK(generation(proxied, world.server(1)) == second);
    for (const std::string& key : kept) {
      CAPTURE(key);
      CHECK(cached(client, key));
    }
  }
  // And they hear of their writes as before.
  for (const std::string& key : kept) {
    world.direct(key).call("SET", key, "new");
  }
  for (const std::string& key : kept) {
    REQUIRE(eventually([&] { return client.call("GET", key).text == "new"; }));
  }
  CHECK(proxied.proxy.stat("audit_stale") == 0);
}

TEST_CASE("a slot that was away without an event brings nothing back from memory") {
  ClusterWorld world;
  Proxied proxied(world, {"coherence.max_staleness_ms=60000", "l1.negative_ttl_ms=3600000",
                          "l1.max_ttl_ms=3600000", "coherence.audit_per_s=0"});
  Client client = proxied.client();
  const std::string tag = "{" + key_on(world, 0, "away:") + "}";
  const std::string had = tag + "had";
  const std::string missing = tag + "missing";
  const std::uint16_t slot = world.slot(tag);
  REQUIRE(client.call("SET", had, "old").text == "OK");
  REQUIRE(hits(proxied, client, had));
  REQUIRE(client.call("GET", missing).is_nil());
  REQUIRE(hits(proxied, client, missing));
  // It is taken, with none of its keys: the old master deletes what it has, and tells nobody.
  world.take(slot, 1);
  REQUIRE(knows(proxied, world, slot, 1));
  CHECK(eventually([&] { return client.call("GET", had).is_nil(); }));
  REQUIRE(world.direct(tag).call("SET", missing, "there").text == "OK");
  CHECK(eventually([&] { return client.call("GET", missing).text == "there"; }));
  REQUIRE(hits(proxied, client, missing));
  world.take(slot, 0);
  REQUIRE(knows(proxied, world, slot, 0));
  CHECK(eventually([&] { return client.call("GET", missing).is_nil(); }));
  CHECK(client.call("GET", had).is_nil());
  CHECK(hits(proxied, client, had));
  // The third time what the second master had.
  world.take(slot, 1);
  REQUIRE(knows(proxied, world, slot, 1));
  CHECK(eventually([&] { return client.call("GET", missing).is_nil(); }));
  CHECK(client.call("GET", had).is_nil());
}

}  // namespace tiercache::testing
