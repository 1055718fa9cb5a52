// CatchUp with the real L1 through random schedules: whoever reads through the proxy sees nothing
// older than what any of its clients has been shown before. Each rule can be left out, and then a
// schedule shows why it is there. TIERCACHE_SCHEDULES: how many.
#include "catch_up_world.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include <doctest/doctest.h>

namespace tiercache::coherence {
namespace {

using testing::CatchUpRules;
using testing::CatchUpWorld;

constexpr KeyHash kKey = 7;
constexpr Time kStart = Time(std::chrono::seconds(1000));
constexpr Duration kLag = std::chrono::seconds(1);

std::uint64_t schedules() {
  const char* text = std::getenv("TIERCACHE_SCHEDULES");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 20'000;
}

struct Seen {
  bool violation = false;
  std::uint64_t of_replica = 0;
  std::uint64_t hits = 0;
  std::uint64_t hits_behind = 0;
};

Seen run(const CatchUpRules& rules) {
  Seen seen;
  for (std::uint64_t seed = 1; seed <= schedules() && !seen.violation; seed++) {
    CatchUpWorld world(rules, seed);
    seen.violation = !world.run();
    seen.of_replica += world.of_replica;
    seen.hits += world.hits;
    seen.hits_behind += world.hits_behind;
  }
  return seen;
}

}  // namespace

TEST_CASE("nobody is shown the past; the replica answers, and so does L1 while it is behind") {
  const Seen seen = run({});
  CHECK(!seen.violation);
  CHECK(seen.of_replica > schedules() / 10);
  CHECK(seen.hits > schedules() / 10);
  CHECK(seen.hits_behind > schedules() / 100);
  std::printf(
      "catch-up: %llu schedules, %llu reads of the replica, %llu hits, %llu of them behind\n",
      static_cast<unsigned long long>(schedules()),
      static_cast<unsigned long long>(seen.of_replica), static_cast<unsigned long long>(seen.hits),
      static_cast<unsigned long long>(seen.hits_behind));
}

TEST_CASE("each rule is needed") {
  CatchUpRules rules;
  SUBCASE("a write marks its key") {
    rules.mark_writes = false;
  }
  SUBCASE("a read of the master marks its key") {
    rules.mark_reads = false;
  }
  SUBCASE("a script marks all keys") {
    rules.mark_scripts = false;
  }
  SUBCASE("the replica must have applied what the master has done") {
    rules.compare = false;
  }
  SUBCASE("the replica's events must have been applied") {
    rules.await_events = false;
  }
  SUBCASE("what the master answers is kept alone") {
    rules.sole = false;
  }
  SUBCASE("several keys are told together only if none is behind") {
    rules.multi_waits = false;
  }
  CHECK(run(rules).violation);
}

TEST_CASE("before the first round, and behind the lag limit, nothing is fresh") {
  CatchUp catch_up;
  CHECK(!catch_up.fresh(kStart, kLag));
  CHECK(catch_up.caught_at() == kNever);
  catch_up.caught_up(catch_up.ask(), kStart);
  CHECK(catch_up.fresh(kStart + kLag, kLag));
  CHECK(!catch_up.fresh(kStart + kLag + Duration(1), kLag));
  CHECK(catch_up.caught_at() == kStart);
}

TEST_CASE("a mark concerns the stripe of its key, or all of them") {
  CatchUp catch_up;
  catch_up.caught_up(catch_up.ask(), kStart);
  catch_up.shown(kKey);
  CHECK(catch_up.behind(kKey));
  CHECK(catch_up.behind(kKey + CatchUp::kStripes));
  CHECK(!catch_up.behind(kKey + 1));
  CHECK(catch_up.fresh(kStart, kLag));
  // A question that was under way does not cover it.
  const std::uint64_t before = catch_up.ask();
  catch_up.shown(kKey + 1);
  catch_up.caught_up(before, kStart);
  CHECK(!catch_up.behind(kKey));
  CHECK(catch_up.behind(kKey + 1));
  catch_up.shown_all();
  CHECK(!catch_up.fresh(kStart, kLag));
  catch_up.caught_up(catch_up.ask(), kStart);
  CHECK(catch_up.fresh(kStart, kLag));
  CHECK(!catch_up.behind(kKey + 1));
}

}  // namespace tiercache::coherence
