// Warming L1 over a Redis Cluster: each node's keys from that node, into its own L1.
#include "cluster_proxied.hpp"
#include "cluster_world.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

constexpr int kKeys = 600;

std::string key(int i) {
  return "warm:" + std::to_string(i);
}

void populate(Client& client) {
  for (int i = 0; i < kKeys; i++) {
    client.send("SET", key(i), std::to_string(i));
  }
  for (int i = 0; i < kKeys; i++) {
    REQUIRE(client.read().text == "OK");
  }
}

void check_values(Client& client) {
  for (int i = 0; i < kKeys; i++) {
    client.send("GET", key(i));
  }
  for (int i = 0; i < kKeys; i++) {
    REQUIRE(client.read().text == std::to_string(i));
  }
}

std::int64_t field(const Value& status, const std::string& name) {
  return status.find(name)->integer;
}

Value ended(Client& client) {
  Value status;
  REQUIRE(eventually([&] {
    status = client.call("CACHE", "WARM", "STATUS");
    return status.find("state")->text != "running";
  }));
  return status;
}

std::int64_t had(const Value& status) {
  return field(status, "filled") + field(status, "present") + field(status, "refused") +
         field(status, "failed");
}

std::string warmup(const std::string& name, const std::string& rest) {
  return "[[warmup]]\nname = \"" + name + "\"\n" + rest;
}

}  // namespace

TEST_CASE("CACHE WARM scans all masters and fills each node's own L1") {
  ClusterWorld world;
  Proxied proxied(world, {"coherence.max_staleness_ms=60000"});
  Client client = proxied.client();
  {
    Client writer = proxied.client();
    populate(writer);
  }
  CHECK(client.call("CACHE", "WARM", "START", "warm:*").text == "OK");
  const Value status = ended(client);
  CHECK(status.find("state")->text == "done");
  CHECK(field(status, "scanned") == kKeys);
  CHECK(had(status) == kKeys);
  CHECK(field(status, "failed") == 0);
  // On a machine that stalls an entry may be gone again: once more, until all are there.
  CHECK(eventually([&] {
    client.call("CACHE", "WARM", "START", "warm:*");
    return field(ended(client), "present") == kKeys;
  }));
  const std::int64_t hits_before = proxied.proxy.stat("l1_hits");
  const std::int64_t misses = proxied.proxy.stat("l1_misses");
  check_values(client);
  CHECK(proxied.proxy.stat("l1_hits") + proxied.proxy.stat("l1_misses") ==
        hits_before + misses + kKeys);
  CHECK(proxied.proxy.stat("l1_hits") > hits_before);
  // Each entry hears of writes by its own node.
  for (std::size_t master = 0; master < 3; master++) {
    int i = 0;
    while (world.owner_of(key(i)) != master) {
      i++;
    }
    CHECK(client.call("CACHE", "KEY", key(i)).find("state")->text == "cached");
    world.direct(key(i)).call("SET", key(i), "new");
    CHECK(eventually([&] { return client.call("GET", key(i)).text == "new"; }));
  }
  CHECK(client.call("CACHE", "WARM", "START", "warm:*", "LIMIT", "10").text == "OK");
  CHECK(field(ended(client), "scanned") == 10);
}

TEST_CASE("slots move while L1 is warmed: what is served is right") {
  ClusterWorld world;
  Proxied proxied(world);
  Client client = proxied.client();
  populate(client);
  CHECK(client.call("CACHE", "WARM", "START", "warm:*", "RATE", "300").text == "OK");
  REQUIRE(eventually(
      [&] { return field(client.call("CACHE", "WARM", "STATUS"), "scanned") > kKeys / 6; }));
  for (int i = 0; i < kKeys; i += 20) {
    const std::uint16_t slot = world.slot(key(i));
    world.move(slot, (world.owner(slot) + 1) % 3);
    world.direct(key(i)).call("SET", key(i), std::to_string(i));
  }
  const Value status = ended(client);
  CHECK(status.find("state")->text == "done");
  CHECK(had(status) == field(status, "scanned"));
  check_values(client);
  for (int i = 0; i < kKeys; i += 20) {
    world.direct(key(i)).call("SET", key(i), "new");
    CHECK(eventually([&] { return client.call("GET", key(i)).text == "new"; }));
  }
  CHECK(proxied.proxy.stat("audit_stale") == 0);
}

TEST_CASE("warmups of the configuration, required ones too, from a scan and from a list") {
  ClusterWorld world;
  for (int i = 0; i < kKeys; i++) {
    REQUIRE(world.direct(key(i)).call("SET", key(i), std::to_string(i)).text == "OK");
  }
  Proxied proxied(world, {},
                  warmup("scanned", "pattern = \"warm:*\"\nrequired = true\n") +
                      warmup("listed",
                             "strategy = \"keys\"\nkeys = [\"warm:1\", \"warm:2\", \"warm:3\", "
                             "\"gone:1\"]\nrefresh_interval_ms = 50\n"));
  Client client = proxied.client();
  const auto shown = [&](std::size_t index) {
    return client.call("CACHE", "WARM", "STATUS").find("warmups")->items.at(index);
  };
  CHECK(shown(0).find("state")->text == "done");
  CHECK(field(shown(0), "seen") == kKeys);
  CHECK(had(shown(0)) == kKeys);
  CHECK(field(shown(0), "failed") == 0);
  CHECK(eventually([&] {
    const Value one = shown(1);
    return field(one, "runs") > 2 && field(one, "seen") == 4 &&
           field(one, "present") + field(one, "filled") == 4;
  }));
  check_values(client);
}

}  // namespace tiercache::testing
