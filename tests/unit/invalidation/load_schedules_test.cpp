// Loads in random schedules: clients that read, some that change the source and then invalidate,
// Redis, its events and the source take their steps in any order. What is loaded is a string in
// some worlds and a hash in others, read by all commands that ask a source, in RESP2 and RESP3.
// Whatever it is, no read that is sent after an invalidation was answered may show an older value.
// (Of a change that nobody was told of, one reader may see more than another later.) An
// invalidation is a DEL, a script, or one by prefix, namespace or tag, which is answered at once
// and carried out by SCANs and UNLINKs that take their steps in any order too, and sometimes fail.
//
// In some worlds what was loaded grows stale before it is gone, and the source fails at times.
// There another proxy makes it stale too, or puts a newer value in its place, of which events tell
// late: once all is at rest no older one may have replaced that.
//
// TIERCACHE_SCHEDULES is how many; a failure prints its number, and TIERCACHE_SCHEDULE runs that
// one alone.
#include "schedule_world.hpp"

#include <array>
#include <cstdlib>
#include <memory>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::invalidation::testing;

namespace {

constexpr unsigned kSchedulesOfAWorld = 200;

unsigned setting(const char* name, unsigned standard) {
  const char* text = std::getenv(name);
  return text == nullptr ? standard : static_cast<unsigned>(std::atol(text));
}

// What has happened in the worlds of one kind of value.
struct Totals {
  unsigned schedules = 0;
  std::array<std::uint64_t, proxy::kLoadCounters> loads{};
  std::uint64_t hits = 0;
  std::uint64_t begun = 0;
  std::uint64_t ended = 0;

  void add(const World& world) {
    for (std::size_t i = 0; i < loads.size(); i++) {
      loads[i] += world.counted(static_cast<LoadCounter>(i));
    }
    hits += world.hits();
    begun += world.begun();
    ended += world.ended();
  }
};

}  // namespace

TEST_CASE("no schedule of loads, changes and invalidations shows an older value") {
  const unsigned count = setting("TIERCACHE_SCHEDULES", 3000);
  const unsigned one = setting("TIERCACHE_SCHEDULE", 0);
  std::unique_ptr<World> world;
  std::array<Totals, 2> totals;  // of strings, of hashes
  for (unsigned number = one == 0 ? 1 : one; number <= (one == 0 ? count : one); number++) {
    const unsigned which = (number - 1) / kSchedulesOfAWorld;
    Totals& total = totals[which % 2];
    if (!world) {
      world = std::make_unique<World>(Kind{which % 2 == 1, which % 4 >= 2, which % 8 >= 4});
    }
    CAPTURE(number);
    CHECK(world->run(number) == 0);
    total.schedules++;
    if (number % kSchedulesOfAWorld == 0 || number == count) {
      total.add(*world);
      world.reset();
    }
  }
  // What it is about has happened.
  for (std::size_t i = 0; one == 0 && i < totals.size(); i++) {
    CAPTURE(i);
    const Totals& total = totals[i];
    for (const LoadCounter counter :
         {LoadCounter::joined, LoadCounter::absent, LoadCounter::stored, LoadCounter::not_stored,
          LoadCounter::anew, LoadCounter::stale, LoadCounter::stale_on_error}) {
      CAPTURE(static_cast<int>(counter));
      CHECK(total.loads[static_cast<std::size_t>(counter)] > total.schedules / 100);
    }
    CHECK(total.hits > total.schedules / 10);
    CHECK(total.begun > total.schedules);
    CHECK(total.ended > total.schedules / 4);
  }
}

TEST_CASE("requests that do not look for pending invalidations are found") {
  for (const bool hashes : {false, true}) {
    for (const bool ages : {false, true}) {
      World world(Kind{hashes, ages, false, true});
      int older = 0;
      for (unsigned number = 1; number <= kSchedulesOfAWorld / 2; number++) {
        older += world.run(number);
      }
      CHECK(older > 0);
    }
  }
}
