// When reads go past L1 for a while, and when they come back.
#include "tiercache/proxy/bypass.hpp"

#include <chrono>
#include <cstdint>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy;
using namespace std::chrono_literals;

namespace {

// Windows of reads, one after the other.
struct World {
  Bypass bypass;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t evictions = 0;
  unsigned asked = 0;
  Time now{1h};

  // A window of which so many reads hit, and whose other reads evict so many entries. Whether the
  // next one fills nothing.
  bool window(std::uint64_t hit, std::uint64_t evict) {
    hits += hit;
    misses += Bypass::kWindow - hit;
    evictions += evict;
    CHECK(bypass.due(hits, misses, now));
    bypass.end_window(hits, misses, now, [this] {
      asked++;
      return evictions;
    });
    CHECK(!bypass.due(hits, misses, now));
    return bypass.past();
  }
};

constexpr std::uint64_t kFew = Bypass::kWindow / Bypass::kUseful - 1;

}  // namespace

TEST_CASE("a window is over after so many reads, whatever they are") {
  Bypass bypass;
  CHECK(!bypass.past());
  CHECK(!bypass.due(0, 0, Time(1h)));
  CHECK(!bypass.due(1, Bypass::kWindow - 2, Time(1h)));
  CHECK(bypass.due(1, Bypass::kWindow - 1, Time(1h)));
  CHECK(bypass.due(Bypass::kWindow, 0, Time(1h)));
}

TEST_CASE("where L1 is full and hardly any read hits, most windows fill nothing") {
  World world;
  CHECK(!world.window(0, Bypass::kWindow));  // that it was full before is not known
  unsigned past = 0;
  for (int i = 0; i < 80; ++i) {
    const bool filled = !world.bypass.past();
    past += world.window(kFew, filled ? Bypass::kWindow / 2 : 0) ? 1 : 0;
  }
  CHECK(past == 80 * Bypass::kPast / (Bypass::kPast + 1));
}

TEST_CASE("one read in sixteen is use enough, and then evictions are not asked for") {
  World world;
  for (int i = 0; i < 20; ++i) {
    CHECK(!world.window(kFew + 1, Bypass::kWindow));
  }
  CHECK(world.asked == 0);
}

TEST_CASE("while L1 has room all is filled, however few hit") {
  World world;
  for (int i = 0; i < 20; ++i) {
    CHECK(!world.window(0, Bypass::kWindow / 2 - 1));
  }
}

TEST_CASE("hits on what is there end it at once") {
  World world;
  world.window(0, Bypass::kWindow);
  REQUIRE(world.window(0, Bypass::kWindow));
  REQUIRE(world.window(0, 0));
  CHECK(!world.window(kFew + 1, 0));
  // As at the beginning: one window of few hits is not enough.
  CHECK(!world.window(0, Bypass::kWindow));
  CHECK(world.window(0, Bypass::kWindow));
}

TEST_CASE("after a second it ends, however few the reads are") {
  World world;
  world.window(0, Bypass::kWindow);
  REQUIRE(world.window(0, Bypass::kWindow));
  world.misses++;
  world.now += Bypass::kLongest - 1ns;
  CHECK(!world.bypass.due(world.hits, world.misses, world.now));
  world.now += 1ns;
  REQUIRE(world.bypass.due(world.hits, world.misses, world.now));
  world.bypass.end_window(world.hits, world.misses, world.now, [&] { return world.evictions; });
  CHECK(!world.bypass.past());
  CHECK(!world.bypass.due(world.hits, world.misses, world.now + 1h));
}
