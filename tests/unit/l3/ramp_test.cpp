// How a source is asked while it is cold: by simulated time, and through the pool.
#include "ramp.hpp"

#include "pool.hpp"

#include "tiercache/l3/warmth.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::l3;

namespace {

// A proxy before a source whose query takes one step, with so many keys that are asked for alike:
// after how many steps all may be asked at a time.
struct Simulated {
  std::size_t steps = 0;
  std::size_t loads = 0;
};
Simulated run(std::size_t whole, std::size_t keys, std::size_t reads_a_step) {
  Ramp ramp(1, whole);
  Warmth warmth;
  std::vector<bool> known(keys);
  std::mt19937 random(1);
  std::uint64_t reads = 0;
  std::uint64_t needed = 0;
  Simulated result;
  std::vector<std::size_t> waiting;
  while (ramp.limit() < whole) {
    for (std::size_t i = 0; i < reads_a_step; i++) {
      const std::size_t key = random() % keys;
      reads++;
      if (!known[key]) {
        needed++;
        waiting.push_back(key);
      }
    }
    warmth.look(reads, needed, Time(static_cast<std::int64_t>(result.steps) * Warmth::kPause));
    const std::size_t asked = std::min(ramp.limit(), waiting.size());
    for (std::size_t i = 0; i < asked; i++) {
      known[waiting[i]] = true;
      ramp.on_answered(warmth.percent());
    }
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(asked));
    result.loads += asked;
    REQUIRE(asked <= whole);
    REQUIRE(++result.steps < 100'000);
  }
  return result;
}

}  // namespace

TEST_CASE("the ramp begins low, grows by rounds, and ends") {
  Ramp ramp(2, 10);
  CHECK(ramp.limit() == 2);
  CHECK_FALSE(ramp.on_answered(0));
  CHECK(ramp.on_answered(0));
  CHECK(ramp.limit() == 3);
  for (int i = 0; i < 2; i++) {
    CHECK_FALSE(ramp.on_answered(100));
  }
  CHECK(ramp.on_answered(100));
  CHECK(ramp.limit() == 6);
  for (int i = 0; i < 6; i++) {
    ramp.on_answered(50);
  }
  CHECK(ramp.limit() == 9);
  for (int i = 0; i < 9; i++) {
    ramp.on_answered(1000);
  }
  CHECK(ramp.limit() == 10);
  CHECK_FALSE(ramp.on_answered(100));
  ramp.on_left_alone();
  CHECK(ramp.limit() == 2);
}

TEST_CASE("without a cold limit, or with one beyond all, there is no ramp") {
  CHECK(Ramp(0, 7).limit() == 7);
  CHECK(Ramp(9, 7).limit() == 7);
  Ramp none(0, 7);
  none.on_left_alone();
  CHECK(none.limit() == 7);
}

TEST_CASE("whatever the shares, it never falls by an answer and reaches all after few rounds") {
  std::mt19937 random(5);
  for (int i = 0; i < 1000; i++) {
    const std::size_t whole = 1 + random() % 256;
    Ramp ramp(1 + random() % whole, whole);
    std::size_t answers = 0;
    while (ramp.limit() < whole) {
      const std::size_t before = ramp.limit();
      ramp.on_answered(static_cast<unsigned>(random() % 130));
      REQUIRE(ramp.limit() >= before);
      REQUIRE(ramp.limit() <= whole);
      REQUIRE(ramp.limit() <= 2 * before);
      REQUIRE(++answers <= whole * (whole + 1) / 2);
    }
  }
}

TEST_CASE("the warmer the proxy the sooner the source is asked at full width") {
  const Simulated warm = run(64, 200, 1000);
  const Simulated cold = run(64, 10'000'000, 1000);
  CHECK(warm.steps < 30);
  CHECK(cold.steps >= 60);  // one more a step
  CHECK(cold.steps < 80);
  CHECK(warm.loads < cold.loads);
}

TEST_CASE("of the reads of late") {
  Warmth warmth;
  const Time start{std::chrono::seconds(5)};
  CHECK(warmth.due(start));
  CHECK(warmth.percent() == 0);
  warmth.look(100, 100, start);
  CHECK(warmth.percent() == 0);
  CHECK_FALSE(warmth.due(start + Warmth::kPause - Duration(1)));
  CHECK(warmth.due(start + Warmth::kPause));
  warmth.look(200, 100, start);  // 50 of 150
  CHECK(warmth.percent() == 67);
  for (int i = 0; i < 10; i++) {
    warmth.look(200 + static_cast<std::uint64_t>(i) * 100, 100, start);
  }
  CHECK(warmth.percent() == 100);
  // More loads than reads: they are counted at different moments.
  Warmth odd;
  odd.look(3, 5, start);
  CHECK(odd.percent() == 0);
}

TEST_CASE("a cold pool asks few at a time, then all, and few again after an outage") {
  // Queries that wait until they are let go.
  struct Bench {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t running = 0;
    std::size_t may_end = 0;
    std::size_t ended = 0;
    bool fails = false;
  } bench;
  struct Gate final : Connection {
    explicit Gate(Bench& own) : bench(own) {
    }
    void run(std::span<const Load* const> /*loads*/, Time /*deadline*/,
             std::span<Loaded> results) override {
      std::unique_lock lock(bench.mutex);
      bench.running++;
      bench.changed.notify_all();
      bench.changed.wait(lock, [&] { return bench.may_end > 0; });
      bench.may_end--;
      bench.running--;
      results[0] = {bench.fails ? Loaded::Kind::failed : Loaded::Kind::value, "", bench.fails};
    }
    Bench& bench;
  };
  SourceConfig config;
  config.concurrency = 8;
  config.cold_concurrency = 1;
  config.timeout = std::chrono::seconds(60);
  Pool pool(config, {{"q", {"id"}, {true}, 1}}, [&] { return std::make_unique<Gate>(bench); });
  const auto submit = [&](std::size_t loads) {
    for (std::size_t i = 0; i < loads; i++) {
      Load load{0, {std::int64_t{1}}, [&](const Loaded&) {
                  const std::lock_guard lock(bench.mutex);
                  bench.ended++;
                  bench.changed.notify_all();
                }};
      load.warm_percent = 100;
      REQUIRE(pool.submit(std::move(load)) == Source::Taken::yes);
    }
  };
  const auto wait = [&](auto done) {
    std::unique_lock lock(bench.mutex);
    REQUIRE(bench.changed.wait_for(lock, std::chrono::seconds(60), done));
  };
  submit(15);
  // Rounds of 1, 2, 4 and 8: each begins with so many under way and no more.
  for (const std::size_t width : {1U, 2U, 4U, 8U}) {
    wait([&] { return bench.running == width; });
    CHECK(pool.totals().allowed == width);
    CHECK(pool.totals().most_running == width);
    const std::lock_guard lock(bench.mutex);
    bench.may_end = width;
    bench.changed.notify_all();
  }
  wait([&] { return bench.ended == 15; });
  CHECK(pool.totals().allowed == 8);
  {
    const std::lock_guard lock(bench.mutex);
    bench.fails = true;
    bench.may_end = Breaker::kFailures;
  }
  submit(Breaker::kFailures);
  wait([&] { return bench.ended == 15 + Breaker::kFailures; });
  CHECK(pool.totals().left_alone);
  CHECK(pool.totals().allowed == 1);
}
