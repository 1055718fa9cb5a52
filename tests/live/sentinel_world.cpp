#include "sentinel_world.hpp"

#include "client.hpp"
#include "tiercache_process.hpp"

#include <stdexcept>

#include <doctest/doctest.h>

namespace tiercache::testing {
namespace {

std::vector<std::string> server_args() {
  return {"--repl-diskless-sync-delay", "0",        "--repl-ping-replica-period", "1", "--hz", "50",
          "--replica-announce-ip",      "127.0.0.1"};
}

}  // namespace

SentinelWorld::SentinelWorld(const std::string& sentinel_lines) {
  for (auto& server : servers) {
    server = std::make_unique<RedisServer>(server_args());
  }
  for (std::size_t i = 1; i < kServers; i++) {
    follow(i, servers[0]->port());
  }
  // On a machine that does many things at once a healthy master may well be silent for a second,
  // and a failover that nobody planned loses writes.
  const std::string config =
      "sentinel monitor main 127.0.0.1 " + std::to_string(servers[0]->port()) +
      " 2\nsentinel down-after-milliseconds main 4000\nsentinel failover-timeout main 3000\n"
      "sentinel parallel-syncs main 2\n" +
      sentinel_lines;
  for (auto& sentinel : sentinels) {
    sentinel = std::make_unique<RedisServer>(RedisServer::Sentinel{config});
  }
}

void SentinelWorld::follow(std::size_t server, std::uint16_t master) {
  Client(servers[server]->port()).call("REPLICAOF", "127.0.0.1", std::to_string(master));
}

void SentinelWorld::wait_settled() {
  for (const auto& sentinel : sentinels) {
    Client client(sentinel->port());
    REQUIRE(eventually([&] {
      const Value known = client.call("SENTINEL", "MASTER", "main");
      const Value replicas = client.call("SENTINEL", "REPLICAS", "main");
      std::size_t fit = 0;
      for (const Value& replica : replicas.items) {
        fit += replica.find("flags")->text == "slave" &&
                       replica.find("master-link-status")->text == "ok"
                   ? 1U
                   : 0U;
      }
      return known.find("num-other-sentinels")->text == "2" &&
             known.find("flags")->text == "master" && fit == kServers - 1;
    }));
  }
}

std::uint16_t SentinelWorld::named_master(std::size_t sentinel) {
  Client client(sentinels[sentinel]->port());
  const Value named = client.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main");
  return static_cast<std::uint16_t>(std::stoi(named.items.at(1).text));
}

std::size_t SentinelWorld::index_of(std::uint16_t port) {
  for (std::size_t i = 0; i < kServers; i++) {
    if (servers[i]->port() == port) {
      return i;
    }
  }
  throw std::runtime_error("no server of ours is the master");
}

std::uint16_t SentinelWorld::fail_over() {
  wait_settled();
  const std::uint16_t before = named_master();
  Client sentinel(sentinels[0]->port());
  REQUIRE(eventually([&] { return sentinel.call("SENTINEL", "FAILOVER", "main").text == "OK"; }));
  REQUIRE(eventually([&] { return named_master() != before; }));
  return named_master();
}

std::vector<std::string> SentinelWorld::settings(std::vector<std::string> more) {
  std::string list;
  for (const auto& sentinel : sentinels) {
    list += (list.empty() ? "" : " ") + address(sentinel->port());
  }
  std::vector<std::string> sets{"upstream.sentinels=" + list, "upstream.master=main"};
  sets.insert(sets.end(), more.begin(), more.end());
  return sets;
}

}  // namespace tiercache::testing
