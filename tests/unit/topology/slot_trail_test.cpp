#include "tiercache/topology/slot_trail.hpp"

#include <cstdint>

#include <doctest/doctest.h>

using namespace tiercache::topology;

namespace {

constexpr Slot kSlot = 3999;
constexpr const char* kMoved = "-MOVED 3999 10.0.0.1:7002";
constexpr const char* kAsk = "-ASK 3999 10.0.0.1:7003";

// Of three servers the first has all slots but one.
SlotMap map() {
  SlotMap map;
  map.node_of.fill(0);
  map.node_of[0] = SlotMap::kNobody;
  for (std::uint16_t port = 7001; port <= 7003; port++) {
    map.nodes.push_back(
        tiercache::config::Endpoint{tiercache::config::EndpointKind::tcp, "10.0.0.1", port, ""});
    map.names.emplace_back();
  }
  return map;
}

}  // namespace

TEST_CASE("a request begins where the map says, or waits for another map") {
  SlotTrail trail;
  const SlotTrail::Next next = trail.begin(map(), kSlot);
  CHECK(next.node == 0);
  CHECK_FALSE(next.asking);
  CHECK_FALSE(next.stale);
  const SlotTrail::Next nobody = trail.begin(map(), 0);
  CHECK(nobody.node == SlotMap::kNobody);
  CHECK(nobody.stale);
}

TEST_CASE("a redirect is followed, with ASKING where it is for this time only") {
  SlotTrail trail;
  trail.begin(map(), kSlot);
  const SlotTrail::Next moved = trail.refused(kMoved, map(), 0);
  CHECK(moved.node == 1);
  CHECK_FALSE(moved.asking);
  CHECK(moved.stale);
  const SlotTrail::Next ask = trail.refused(kAsk, map(), 1);
  CHECK(ask.node == 2);
  CHECK(ask.asking);
  CHECK_FALSE(ask.stale);
}

TEST_CASE("where nobody can take it now there is a pause") {
  SlotTrail trail;
  trail.begin(map(), kSlot);
  for (const char* error : {"-TRYAGAIN Multiple keys request during rehashing of slot",
                            "-CLUSTERDOWN Hash slot not served", "-MOVED 3999 10.0.0.9:7001", ""}) {
    CAPTURE(error);
    const SlotTrail::Next next = trail.refused(error, map(), 0);
    CHECK(next.node == SlotMap::kNobody);
    CHECK_FALSE(next.asking);
    CHECK(next.stale);
  }
  CHECK_FALSE(trail.refused("-ASK 3999 10.0.0.9:7001", map(), 0).stale);
}

TEST_CASE("two servers that send it to each other end a row of redirects, and a pause begins one") {
  SlotTrail trail;
  for (int row = 0; row < 2; row++) {
    trail.begin(map(), kSlot);
    for (unsigned hop = 0; hop < SlotTrail::kHops; hop++) {
      CAPTURE(hop);
      CHECK(trail.refused(kMoved, map(), 0).node == 1);
    }
    CHECK(trail.refused(kMoved, map(), 0).node == SlotMap::kNobody);
  }
}
