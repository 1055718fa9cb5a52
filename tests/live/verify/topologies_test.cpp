// The checker over a Cluster and over a master that sentinels look after. Its direct writes go
// through a proxy without L1, which finds the right server for each key as any client of a Cluster
// would.
#include "client.hpp"
#include "cluster_world.hpp"
#include "sentinel_world.hpp"
#include "tiercache_process.hpp"
#include "verify/report.hpp"
#include "verify/run.hpp"

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {
namespace {

using Sets = std::vector<std::string>;

Sets with(Sets sets, const std::string& more) {
  sets.push_back(more);
  return sets;
}

// Two proxies to check and one without L1.
struct Checked {
  explicit Checked(const Sets& sets)
      : first(1, with(sets, "threads=2")),
        second(1, with(sets, "threads=2")),
        direct(1, with(sets, "l1.enabled=false")) {
    first.wait_live();
    second.wait_live();
  }

  // Checks while `disturb` runs, which has ended when this returns.
  template <class Disturb>
  verify::Report check(verify::Faults faults, Disturb&& disturb) {
    verify::Settings settings;
    settings.proxies.push_back({"127.0.0.1", first.port()});
    settings.proxies.push_back({"127.0.0.1", second.port()});
    settings.redis = {"127.0.0.1", direct.port()};
    settings.seconds = 10;
    settings.keys = 2000;
    settings.faults = faults;
    std::atomic<bool> ended{false};
    verify::Report report;
    std::string error;
    std::jthread checker([&] {  // joined also when a check of `disturb` throws
      auto found = verify::run(settings);
      if (found) {
        report = std::move(found.value());
      } else {
        error = found.error().detail;
      }
      ended = true;
    });
    // It is at work.
    CHECK(eventually([&] { return ended || first.stat("l1_hits") > 1000; }));
    disturb(ended);
    checker.join();
    REQUIRE_MESSAGE(error.empty(), error);
    INFO(verify::to_text(report));
    CHECK(report.total_violations() == 0);
    CHECK(report.trouble == "");
    for (const verify::ProxyReport& proxy : report.proxies) {
      REQUIRE(proxy.hit_ratio());
      CHECK(*proxy.hit_ratio() > verify::kLeastHitRatio);
    }
    return report;
  }

  TiercacheProcess first;
  TiercacheProcess second;
  TiercacheProcess direct;
};

// A server whose role changes closes its connections, ours too perhaps: then there is no answer.
std::optional<Value> ask_server(RedisServer& server, const std::vector<std::string>& words) {
  try {
    return Client(server.port()).call(words);
  } catch (const ClientError&) {
    return std::nullopt;
  }
}

std::optional<std::int64_t> replication_offset(RedisServer& server) {
  static const std::string kField = "master_repl_offset:";
  const auto info = ask_server(server, {"INFO", "replication"});
  const std::size_t at = info ? info->text.find(kField) : std::string::npos;
  if (at == std::string::npos) {
    return std::nullopt;
  }
  return std::stoll(info->text.substr(at + kField.size()));
}

// Until every replica has all that the master has now; none is written meanwhile.
void wait_in_step(SentinelWorld& world, RedisServer& master) {
  for (const auto& server : world.servers) {
    REQUIRE(eventually([&] {
      const auto had = replication_offset(master);
      const auto has = replication_offset(*server);
      return had && has && *has >= *had;
    }));
  }
}

bool says_ok(RedisServer& server, const std::vector<std::string>& words) {
  const auto reply = ask_server(server, words);
  return reply && reply->text == "OK";
}

bool takes_writes(TiercacheProcess& proxy) {
  return Client(proxy.port()).call("SET", "topologies:probe", "1").text == "OK";
}

}  // namespace

TEST_CASE("a Cluster breaks no promise, also while slots move from node to node") {
  ClusterWorld world;
  Checked checked({"upstream.nodes=" + world.addresses()});
  int moves = 0;
  const auto report = checked.check(verify::Faults::none, [&](std::atomic<bool>& ended) {
    for (std::uint16_t slot = 0; !ended;
         slot = static_cast<std::uint16_t>((slot + 97) % ClusterWorld::kSlots)) {
      world.move(slot, (world.owner(slot) + 1) % 3);
      ++moves;
    }
  });
  CHECK(report.lost == 0);
  CHECK(moves > 0);
  MESSAGE(report.reads << " reads, " << report.errors << " errors (" << report.first_error << "), "
                       << moves << " slots moved, " << checked.first.stat("l2_redirects")
                       << " redirects");
}

TEST_CASE("neither does a master that is switched when nothing is lost by it") {
  // A paused server does not answer its sentinels either, whose PUBLISH is held back like a write:
  // it must not be taken for dead.
  SentinelWorld world("sentinel down-after-milliseconds main 120000\n");
  world.wait_settled();
  Checked checked(world.settings());
  int switches = 0;
  const auto report = checked.check(verify::Faults::expected, [&](std::atomic<bool>& ended) {
    while (!ended) {
      // No write is taken until the replicas have them all, so that the switch loses none. Before
      // that the sentinels have to know how the last switch ended, which a paused server hides.
      world.wait_settled();
      RedisServer& old = *world.servers[world.index_of(world.named_master())];
      REQUIRE(eventually([&] { return says_ok(old, {"CLIENT", "PAUSE", "60000", "WRITE"}); }));
      wait_in_step(world, old);
      world.fail_over();
      ++switches;
      REQUIRE(
          eventually([&] { return takes_writes(checked.first) && takes_writes(checked.direct); }));
      REQUIRE(eventually([&] { return says_ok(old, {"CLIENT", "UNPAUSE"}); }));
    }
  });
  MESSAGE(report.reads << " reads, " << switches << " switches, " << report.lost
                       << " connections lost");
}

}  // namespace tiercache::testing
