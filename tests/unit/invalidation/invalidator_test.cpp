// An invalidation that Redis does not carry out, asked for again and again: what is kept for those
// who asked.
#include "tiercache/invalidation/invalidator.hpp"

#include "../l2/fake_events.hpp"
#include "../proxy/fake_source.hpp"
#include "../proxy/fake_upstream.hpp"
#include "schedule_parts.hpp"

#include "tiercache/proxy/loads.hpp"

#include <memory>
#include <string>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::invalidation::testing;
using namespace tiercache::proxy::testing;
using invalidation::How;
using invalidation::Invalidator;
using invalidation::Selection;

namespace {

struct World {
  const config::Config config = with_source({});
  Rig rig{1, [this](config::Config& tuned) {
            tuned = config;
          }};
  l2::Fences fences;
  l2::testing::FakeEvents events;
  std::unique_ptr<Invalidator> invalidator;
  int told = 0;
  int failed = 0;
  // As many references as there are callbacks that are kept, and one.
  const std::shared_ptr<int> kept = std::make_shared<int>(0);

  World() {
    rig.hub.loads = std::make_shared<proxy::Loads>(
        config, rig.hub, [](const l3::SourceConfig&, const std::vector<l3::Query>&) {
          return std::make_unique<FakeSource>();
        });
    rig.hub.add_node({nullptr, rig.cache, fences, events});
    invalidator = std::make_unique<Invalidator>(rig.io, rig.hub, config);
  }
  ~World() {
    events.queries.clear();  // they hold what has a timer on the loop
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Invalidator::Done counted() {
    return [this, one = kept](const Result<std::int64_t>& removed) {
      told++;
      failed += removed ? 0 : 1;
    };
  }
  void invalidate(Invalidator::Done done, Invalidator::Done notices) {
    Selection selection;
    selection.prefix = "doc:";
    CHECK(invalidator->matching(selection, How::remove, Invalidator::Tell::first_outcome,
                                std::move(done), std::move(notices)));
    rig.run();
  }
  // Redis has no such key.
  void scanned() {
    using Kind = l2::Reply::Kind;
    l2::Reply reply{Kind::array};
    reply.items = {{Kind::text, "0"}, {Kind::array}};
    REQUIRE(events.queries.size() == 1);
    events.answer(std::move(reply));
    rig.run();
  }
  void away() {
    REQUIRE(events.queries.size() == 1);
    events.answer(Error{ErrorCode::unavailable, "it is away"});
    rig.run();
  }
  long callbacks() const {
    return kept.use_count() - 1;
  }
};

}  // namespace

TEST_CASE("while Redis is away whoever waits is told, once, and nothing grows") {
  World world;
  world.invalidate(world.counted(), {});
  world.away();
  CHECK(world.told == 1);
  CHECK(world.failed == 1);
  CHECK(world.callbacks() == 0);
  // It is tried again later; what comes meanwhile waits for that, so many.
  for (int i = 0; i < 5000; i++) {
    world.invalidate(world.counted(), world.counted());
    world.invalidate({}, world.counted());
    world.invalidate({}, {});
  }
  CHECK(world.callbacks() < 1100);
  CHECK(world.told == world.failed);
}

TEST_CASE("the same again while it is carried out is told when it has been carried out again") {
  World world;
  world.invalidate({}, world.counted());
  for (int i = 0; i < 100; i++) {
    world.invalidate({}, world.counted());
  }
  CHECK(world.callbacks() == 2);
  world.scanned();
  CHECK(world.told == 1);
  CHECK(world.callbacks() == 1);
  world.scanned();
  CHECK(world.told == 2);
  CHECK(world.failed == 0);
  CHECK(world.callbacks() == 0);
  CHECK(world.events.queries.empty());
}
