// Which replica is read from: cases, and random reports that must keep a few things true.
#include "tiercache/topology/replica_choice.hpp"

#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::topology {
namespace {

using namespace std::chrono_literals;
using config::Endpoint;

Endpoint server(std::uint16_t port) {
  return {config::EndpointKind::tcp, "10.0.0.1", port, ""};
}

const Endpoint kMaster = server(1);
constexpr Time kNow = Time(std::chrono::seconds(1000));

std::vector<ReplicaSeen> online(std::initializer_list<std::uint16_t> ports) {
  std::vector<ReplicaSeen> seen;
  for (const std::uint16_t port : ports) {
    seen.push_back({server(port), true});
  }
  return seen;
}

}  // namespace

TEST_CASE("the master answers where no replica is online") {
  ReplicaChoice choice(1);
  CHECK(choice.choose(kMaster, {}, kNow) == kMaster);
  const std::vector<ReplicaSeen> syncing = {{server(2), false}};
  CHECK(choice.choose(kMaster, syncing, kNow + 10s) == kMaster);
}

TEST_CASE("a replica is taken at once at the start, later after a while") {
  ReplicaChoice choice(1);
  CHECK(choice.choose(kMaster, online({2}), kNow) == server(2));
  CHECK(choice.choose(kMaster, {}, kNow + 1ms) == kMaster);
  CHECK(choice.choose(kMaster, online({2}), kNow + 2ms) == kMaster);
  CHECK(choice.choose(kMaster, online({2}), kNow + 2ms + ReplicaChoice::kSettle) == server(2));
}

TEST_CASE("it stays while it is online and catches up, whoever else comes") {
  ReplicaChoice choice(1);
  CHECK(choice.choose(kMaster, online({2}), kNow) == server(2));
  for (unsigned i = 1; i < 100; i++) {
    const Time now = kNow + i * 1s;
    CHECK(choice.choose(kMaster, online({3, 2, 4}), now) == server(2));
    choice.on_caught_up(now);
  }
}

TEST_CASE("one that does not catch up is left alone for a while") {
  ReplicaChoice choice(1);
  CHECK(choice.choose(kMaster, online({2}), kNow) == server(2));
  const Time late = kNow + ReplicaChoice::kPatience + 1ms;
  CHECK(choice.choose(kMaster, online({2, 3}), late) == server(3));
  CHECK(choice.choose(kMaster, online({2}), late + 1s) == kMaster);
  CHECK(choice.choose(kMaster, online({2}), late + ReplicaChoice::kAvoid - 1ms) == kMaster);
  CHECK(choice.choose(kMaster, online({2}), late + ReplicaChoice::kAvoid) == server(2));
}

TEST_CASE("while the master was away nobody could catch up") {
  ReplicaChoice choice(1);
  CHECK(choice.choose(kMaster, online({2}), kNow) == server(2));
  const Time back = kNow + 60s;
  choice.on_master_found(back);
  CHECK(choice.choose(server(3), online({2}), back) == server(2));
  CHECK(choice.choose(server(3), online({2}), back + ReplicaChoice::kPatience + 1ms) == server(3));
}

TEST_CASE("a replica that becomes the master is not counted as its own replica") {
  ReplicaChoice choice(1);
  CHECK(choice.choose(kMaster, online({2}), kNow) == server(2));
  CHECK(choice.choose(server(2), online({3}), kNow + 1s) == server(3));
}

TEST_CASE("many proxies spread over the replicas") {
  std::vector<unsigned> taken(3);
  for (std::uint64_t seed = 0; seed < 300; seed++) {
    const Endpoint its = ReplicaChoice(seed).choose(kMaster, online({2, 3, 4}), kNow);
    taken.at(its.port - 2U)++;
  }
  for (const unsigned times : taken) {
    CHECK(times > 50);
  }
}

TEST_CASE(
    "whatever is reported: only the master or one that is online, and no change without need") {
  std::mt19937_64 random(5);
  for (unsigned run = 0; run < 300; run++) {
    ReplicaChoice choice(run);
    Time now = kNow;
    Endpoint before;
    Time good = now;
    for (unsigned i = 0; i < 200; i++) {
      now += Duration(std::chrono::milliseconds(random() % 700));
      std::vector<ReplicaSeen> seen;
      bool before_online = false;
      for (std::uint16_t port = 2; port < 5; port++) {
        if (random() % 4 != 0) {
          seen.push_back({server(port), random() % 8 != 0});
          before_online = before_online || (seen.back().online && seen.back().endpoint == before);
        }
      }
      const Endpoint now_at = choice.choose(kMaster, seen, now);
      bool known = now_at == kMaster;
      for (const ReplicaSeen& one : seen) {
        known = known || (one.online && one.endpoint == now_at);
      }
      REQUIRE(known);
      if (before_online && now - good <= ReplicaChoice::kPatience) {
        REQUIRE(now_at == before);
      }
      if (now_at != before) {
        good = now;
      }
      if (random() % 10 != 0) {
        choice.on_caught_up(now);
        good = now;
      }
      before = now_at;
    }
  }
}

}  // namespace tiercache::topology
