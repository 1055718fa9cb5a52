#include "waiters.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::invalidation;
using Tell = Invalidator::Tell;

namespace {

// Whoever is told writes its name.
struct World {
  Waiters waiters;
  std::vector<std::string> told;

  Waiters::Done named(std::string name) {
    return [this, name = std::move(name)](const Result<std::int64_t>& result) {
      told.push_back(name + (result ? "" : " failed"));
    };
  }
  void tell(const std::vector<Waiters::Done>& whom, const Result<std::int64_t>& result) {
    for (const Waiters::Done& done : whom) {
      done(result);
    }
  }
  std::vector<std::string> ended(Waiters::Number round) {
    tell(waiters.take_ended(round), 1);
    return std::exchange(told, {});
  }
  std::vector<std::string> failed() {
    tell(waiters.take_failed(), Error{ErrorCode::unavailable, "away"});
    return std::exchange(told, {});
  }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("who asks during a round is told at the end of the next, in order") {
  World world;
  world.waiters.add(1, 1, world.named("notices"), Tell::first_outcome, world.named("answer"));
  world.waiters.add(2, 1, world.named("notices 2"), Tell::first_outcome, world.named("answer 2"));
  world.waiters.add(3, 1, {}, Tell::at_end, world.named("each 3"));
  CHECK(world.ended(1) == Names{"notices", "answer"});
  CHECK(world.ended(3) == Names{"notices 2", "answer 2", "each 3"});
  CHECK(world.ended(4).empty());
}

TEST_CASE("who is told that Redis has failed is told nothing more, others at the end") {
  World world;
  world.waiters.add(1, 1, world.named("notices"), Tell::first_outcome, world.named("answer"));
  world.waiters.add(1, 1, {}, Tell::at_end, world.named("each"));
  world.waiters.add(2, 1, {}, Tell::first_outcome, world.named("answer 2"));
  CHECK(world.failed() == Names{"answer failed", "answer 2 failed"});
  CHECK(world.failed().empty());
  CHECK(world.ended(1) == Names{"notices", "each"});
}

TEST_CASE("the notices of one stand for all of its round") {
  World world;
  world.waiters.add(1, 1, world.named("first"), Tell::first_outcome, {});
  for (Waiters::Number number = 2; number < 10; number++) {
    world.waiters.add(number, 1, world.named(std::to_string(number)), Tell::first_outcome, {});
  }
  CHECK(world.ended(1) == Names{"first"});
  // Those that come all the time do not put each other off.
  for (Waiters::Number round = 9; round < 12; round++) {
    world.waiters.add(round + 1, round, world.named("later"), Tell::first_outcome, {});
    CHECK(world.ended(round) == Names{round == 9 ? "2" : "later"});
  }
}

TEST_CASE("so many wait for an answer and no more; whoever else is told is not counted") {
  World world;
  for (std::size_t i = 0; i < Waiters::kMost; i++) {
    world.waiters.add(1, 1, {}, Tell::first_outcome, world.named("answer"));
  }
  CHECK(world.told.empty());
  world.waiters.add(1, 1, world.named("notices"), Tell::first_outcome, world.named("one more"));
  CHECK(world.told == Names{"one more failed"});
  world.told.clear();
  world.waiters.add(1, 1, {}, Tell::at_end, world.named("each"));
  CHECK(world.failed().size() == Waiters::kMost);
  world.waiters.add(1, 1, {}, Tell::first_outcome, world.named("room again"));
  CHECK(world.ended(1) == Names{"notices", "each", "room again"});
}
