// Over a Cluster: which answers wait for those of other nodes, and for how long.
#include "hold.hpp"

#include "fake_upstream.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy;
using namespace tiercache::proxy::testing;
using namespace std::chrono_literals;

namespace {

const Time kStart = Time{} + 1h;
constexpr Duration kNone = 0s;

// A worker that knows of two nodes: the keys `a` and `b` lie on the first and the second.
struct TwoNodes {
  TwoNodes() {
    Worker& worker = *rig.threads.front()->worker;
    worker.add_lane(
        [this](Worker&) {
          auto links = std::make_unique<FakeLinks>(1000);
          second = links.get();
          return links;
        },
        [](Worker&) { return std::make_unique<FakeGate>(); }, rig.cache);
    auto map = std::make_shared<topology::SlotMap>();
    map->node_of.fill(0);
    map->node_of[topology::slot_of("b")] = 1;
    map->nodes.resize(2);
    map->names.resize(2);
    worker.set_slot_map(map);
    rig.run();
  }
  ~TwoNodes() {
    second->lose_all();
  }

  Rig rig;
  FakeLinks* second = nullptr;
};

}  // namespace

TEST_CASE("an answer waits for as long again as it took, a millisecond at most") {
  struct Case {
    Duration took;
    Duration waits;
  };
  const std::vector<Case> cases = {{0us, 0us}, {1us, 1us}, {100us, 100us},
                                   {1ms, 1ms}, {2ms, 1ms}, {1min, 1ms}};
  for (const Case& one : cases) {
    const Duration took = one.took;
    const Duration waits = one.waits;
    CAPTURE(took.count());
    Hold hold;
    hold.on_answered(kStart);
    CHECK(hold.until() == Time{});
    CHECK(hold.keeps(kStart, kStart + took) == (waits > kNone));
    CHECK((waits == kNone || hold.until() == kStart + took + waits));
    if (waits > kNone) {
      CHECK(hold.keeps(kStart, kStart + took + waits - 1ns));  // a second answer changes nothing
    }
    CHECK_FALSE(hold.keeps(kStart, kStart + took + waits));
    hold.on_written();
    CHECK(hold.until() == Time{});
  }
}

TEST_CASE("what came together waits once") {
  Hold hold;
  hold.on_answered(kStart);
  CHECK(hold.keeps(kStart, kStart + 1ms));
  CHECK_FALSE(hold.keeps(kStart, kStart + 2ms));
  hold.on_written();
  hold.on_answered(kStart);
  CHECK_FALSE(hold.keeps(kStart, kStart + 3ms));
  CHECK(hold.until() == Time{});
  const Time next = kStart + 1s;
  hold.on_answered(next);
  CHECK(hold.keeps(next, next + 1ms));
}

TEST_CASE("what came apart does not wait, nor do answers to what came before the oldest request") {
  Hold hold;
  hold.on_answered(kStart);
  CHECK_FALSE(hold.keeps(kStart + 1ms, kStart + 2ms));
  CHECK(hold.keeps(kStart, kStart + 2ms));
  CHECK_FALSE(hold.keeps(kStart + 1ms, kStart + 2ms));
}

TEST_CASE("a node that does not answer does not hold back the answers of another") {
  TwoNodes cluster;
  TestClient client(cluster.rig);
  client.send("SET a 1\r\nSET b 1\r\nSET a 2");
  REQUIRE(cluster.rig.pending() == "SET a 1, SET a 2");
  REQUIRE(Rig::pending(cluster.second->at()) == "SET b 1");
  cluster.rig.reply("+OK\r\n");
  cluster.rig.reply("+A2\r\n");
  std::string got;
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (got.empty() && std::chrono::steady_clock::now() < deadline) {
    got = client.read();
    cluster.rig.run();
  }
  CHECK(got == "+OK\r\n");
  CHECK(client.read().empty());
  cluster.second->at().reply("+B\r\n");
  cluster.rig.run();
  CHECK(client.read() == "+B\r\n+A2\r\n");
}

TEST_CASE("answers that nothing is missing of are written at once") {
  TwoNodes cluster;
  TestClient client(cluster.rig);
  client.send("SET a 1\r\nSET b 1");
  cluster.second->at().reply("+B\r\n");
  cluster.rig.run();
  CHECK(client.read().empty());
  cluster.rig.reply("+A\r\n");
  CHECK(client.read() == "+A\r\n+B\r\n");
}
