// A proxy before a ClusterWorld, and what the tests ask about it.
#pragma once

#include "cluster_world.hpp"
#include "tiercache_process.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

struct Proxied {
  explicit Proxied(ClusterWorld& world, std::vector<std::string> more = {},
                   const std::string& config = "")
      : proxy(1, settings(world, std::move(more)), config) {
    proxy.wait_live();
  }
  static std::vector<std::string> settings(ClusterWorld& world, std::vector<std::string> more) {
    more.push_back("upstream.nodes=" + world.addresses());
    return more;
  }
  Client client() {
    return Client(proxy.port(), std::chrono::seconds(30));
  }

  TiercacheProcess proxy;
};

// What CACHE TOPOLOGY says of a server.
inline std::optional<Value> node(std::uint16_t proxy, std::uint16_t server) {
  const Value shown = Client(proxy).call("CACHE", "TOPOLOGY");
  for (const Value& one : shown.find("nodes")->items) {
    if (one.find("address")->text == ClusterWorld::address(server)) {
      return one;
    }
  }
  return std::nullopt;
}

inline std::int64_t generation(Proxied& proxied, RedisServer& server) {
  const auto shown = node(proxied.proxy.port(), server.port());
  REQUIRE(shown);
  REQUIRE(shown->find("generation") != nullptr);
  return shown->find("generation")->integer;
}

// A key on that master.
inline std::string key_on(ClusterWorld& world, std::size_t master,
                          const std::string& prefix = "k") {
  for (int i = 0;; i++) {
    const std::string key = prefix + std::to_string(i);
    if (world.owner_of(key) == master) {
      return key;
    }
  }
}

inline bool hits(Proxied& proxied, Client& client, const std::string& key) {
  return eventually([&] {
    const std::int64_t before = proxied.proxy.stat("l1_hits");
    client.call("GET", key);
    return proxied.proxy.stat("l1_hits") > before;
  });
}

}  // namespace tiercache::testing
