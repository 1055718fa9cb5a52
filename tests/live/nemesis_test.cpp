// Every fault that Redis, its operator or the network can do to the proxy, while clients write and
// read: no read may be older than promised, and L1 serves again by itself afterwards. Each fault
// holds for a quarter of a second; with NEMESIS_SECONDS in the environment, for so many seconds.
// NEMESIS_FAULT runs only those whose name holds its text; NEMESIS_SET holds further settings of
// the proxy, "key=value" between blanks.
#include "nemesis_faults.hpp"
#include "nemesis_history.hpp"

#include "tiercache/coherence/event_link.hpp"

#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

Instant at(int ms) {
  static const Instant kStart = steady_clock::now() - 1h;
  return kStart + milliseconds(ms);
}

milliseconds since(Instant begin) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin);
}

// From a moment on: when the link was seen down for the last time, and when a read was a hit after
// that.
class Recovery {
 public:
  explicit Recovery(NemesisWorld& world)
      : world_(world), begin_(steady_clock::now()), hits_(world.stats().hits) {
  }
  void look() {
    const NemesisWorld::Stats stats = world_.stats();
    if (!stats.live) {
      down_ = since(begin_);
      hits_ = stats.hits;
      hit_.reset();
    } else if (!hit_ && stats.hits > hits_) {
      hit_ = since(begin_);
    }
  }
  bool recovered() {
    look();
    return hit_.has_value();
  }
  milliseconds down() const {
    return down_;
  }
  std::optional<milliseconds> hit() const {
    return hit_;
  }

 private:
  NemesisWorld& world_;
  const Instant begin_;
  std::int64_t hits_;
  milliseconds down_{};
  std::optional<milliseconds> hit_;
};

void watch(Recovery& recovery, milliseconds holds) {
  const Instant begin = steady_clock::now();
  while (since(begin) < holds) {
    recovery.look();
    pause_briefly();
  }
}

// Brings it about; what it takes away is noted.
void apply(NemesisWorld& world, const NemesisFault& fault, std::optional<std::size_t>& loss) {
  if (fault.lost != Lost::nothing) {
    loss = world.workload.losses().begin();
  }
  fault.apply(world);
  if (fault.lost == Lost::at_once) {
    world.workload.losses().end(*loss);
    loss.reset();
  }
}

Recovery strike_with(NemesisWorld& world, const NemesisFault& fault, milliseconds holds) {
  std::optional<std::size_t> loss;
  if (fault.lift == nullptr) {
    Recovery recovery(world);
    apply(world, fault, loss);
    watch(recovery, holds);
    return recovery;
  }
  apply(world, fault, loss);
  std::this_thread::sleep_for(holds);
  fault.lift(world);
  if (loss) {
    world.workload.losses().end(*loss);
  }
  return Recovery(world);
}

// Where everybody waits, while it can still be seen.
void explain(NemesisWorld& world) {
  Client client(world.proxy.port(), std::chrono::seconds(30));
  std::printf("  nobody has hit for four seconds; the links:\n%s  the sessions:\n%s  Redis:\n%s",
              world.links.run("list").c_str(), client.call("CACHE", "CLIENTS").text.c_str(),
              world.direct().call("CLIENT", "LIST").text.c_str());
  std::fflush(stdout);
}

Span extra_of(Told told) {
  switch (told) {
    case Told::by_events:
      return {};
    case Told::by_canary:
      break;
  }
  // The next one is written an interval later at most; it is judged by the PONG that follows, and
  // missed when it stays away.
  return 2 * NemesisWorld::kCanaryInterval + 200ms;
}

void print(const NemesisFault& fault, const NemesisWorkload::Tally& tally, std::int64_t hits,
           std::int64_t bumps, const Recovery& recovery) {
  std::printf(
      "%-36s %8llu %8lld %7llu %8llu %7lld %8lld %8s %7lld %10llu\n",
      std::string(fault.name).c_str(), static_cast<unsigned long long>(tally.reads),
      static_cast<long long>(hits), static_cast<unsigned long long>(tally.writes),
      static_cast<unsigned long long>(tally.failures), static_cast<long long>(bumps),
      static_cast<long long>(recovery.down().count()),
      recovery.hit() ? std::to_string(recovery.hit()->count()).c_str() : "never",
      static_cast<long long>(std::chrono::duration_cast<milliseconds>(tally.staleness).count()),
      static_cast<unsigned long long>(tally.violations));
  for (const std::string& trace : tally.traces) {
    std::printf("  %s\n", trace.c_str());
  }
  std::fflush(stdout);
}

void print_head() {
  std::printf("%-36s %8s %8s %7s %8s %7s %8s %8s %7s %10s\n", "fault", "reads", "hits", "writes",
              "failures", "emptied", "live ms", "hit ms", "stale", "violations");
}

void strike(NemesisWorld& world, const NemesisFault& fault, milliseconds holds) {
  const NemesisWorld::Stats before = world.stats();
  const bool must_empty =
      (fault.l1 == Empties::stream && world.invalidation != Invalidation::ttl) ||
      (fault.l1 == Empties::events && world.invalidation == Invalidation::keyspace);
  world.workload.allow_extra(extra_of(fault.told));
  Recovery recovery = strike_with(world, fault, holds);
  // What has to be found out first may be found out after the fault was lifted.
  const auto recovers = [&] {
    return (!must_empty || world.stats().bumps > before.bumps) && recovery.recovered();
  };
  if (!eventually(recovers, 4s)) {
    explain(world);
  }
  const bool recovered = eventually(recovers, 20s);
  world.workload.allow_extra({});
  const NemesisWorld::Stats after = world.stats();
  const NemesisWorkload::Tally tally = world.workload.take_tally();
  print(fault, tally, after.hits - before.hits, after.bumps - before.bumps, recovery);
  CAPTURE(fault.name);
  CHECK(tally.violations == 0);
  CHECK(tally.reads > 0);
  CHECK(recovered);
  CHECK((!must_empty || after.bumps > before.bumps));
}

std::vector<std::string> words_of(const char* text) {
  std::istringstream in(text == nullptr ? "" : text);
  return {std::istream_iterator<std::string>(in), {}};
}

void strike_all(Invalidation by) {
  const char* seconds = std::getenv("NEMESIS_SECONDS");
  const char* only = std::getenv("NEMESIS_FAULT");
  const milliseconds holds = seconds != nullptr ? milliseconds(1000 * std::atoi(seconds)) : 250ms;
  NemesisWorld world(by, seconds != nullptr, words_of(std::getenv("NEMESIS_SET")));
  world.proxy.wait_live();
  print_head();
  for (const NemesisFault& fault : nemesis_faults()) {
    if (only == nullptr || fault.name.find(only) != std::string_view::npos) {
      strike(world, fault, holds);
    }
  }
  for (const std::string& difference : world.workload.settle()) {
    CHECK(difference == "");
  }
}

}  // namespace

TEST_CASE("the judge knows what a read may show") {
  KeyHistory key("k");
  CHECK(key.value_of(7) == "7@k");
  CHECK(key.version_in("7@k") == std::uint64_t{7});
  CHECK_FALSE(key.version_in("7@other").has_value());
  CHECK_FALSE(key.version_in("@k").has_value());
  CHECK_FALSE(key.version_in("7@").has_value());

  key.begin_write();
  key.end_write();
  const Instant first = steady_clock::now();
  key.begin_write();
  key.end_write();
  const Instant second = steady_clock::now();
  key.begin_write();  // nobody knows what became of the third
  const auto judge = [&](std::uint64_t version, Instant sent, Span allowed, Seen seen = {},
                         std::vector<Loss> losses = {}) {
    return !key.judge({version, sent, sent + 1ms, allowed, allowed}, losses, seen)
                .violation.empty();
  };
  CHECK_FALSE(judge(0, at(0), 0ms));
  CHECK_FALSE(judge(1, first, 0ms));
  CHECK_FALSE(judge(2, second, 0ms));
  CHECK_FALSE(judge(3, second, 0ms));
  CHECK(judge(4, second, 0ms));
  // Older than allowed.
  CHECK(judge(1, second + 1ms, 0ms));
  CHECK_FALSE(judge(1, second + 1ms, 1min));
  CHECK(judge(1, second + 2min, 1min));
  CHECK(judge(0, second + 1ms, 0ms));
  // Not monotonic.
  CHECK(judge(1, second, 1min, {2, 0}));
  CHECK(judge(0, second, 1min, {2, 0}));
  // A loss explains why there is nothing, and nothing that was there before comes back.
  const Loss loss{second + 1ms, second + 2ms};
  CHECK_FALSE(judge(0, second + 2ms, 0ms, {}, {loss}));
  CHECK_FALSE(judge(0, second + 2ms, 0ms, {2, 0}, {loss}));
  CHECK(judge(2, second + 10ms, 0ms, {}, {loss}));
  CHECK_FALSE(judge(2, second + 10ms, 1min, {}, {loss}));
  CHECK_FALSE(judge(3, second + 10ms, 0ms, {}, {loss}));
  Seen seen;
  key.judge({0, second + 3ms, second + 4ms, {}, {}}, {loss}, seen);
  CHECK(judge(2, second + 5ms, 1min, seen, {loss}));
  CHECK_FALSE(judge(3, second + 5ms, 1min, seen, {loss}));
  CHECK(judge(0, second + 10ms, 0ms, {}, {{at(0), at(1)}}));
}

// Under every fault no read breaks a promise, and L1 serves again afterwards.
TEST_CASE("nemesis with keyspace events") {
  strike_all(Invalidation::keyspace);
}

TEST_CASE("nemesis with tracking") {
  strike_all(Invalidation::tracking);
}

TEST_CASE("nemesis with ttl") {
  strike_all(Invalidation::ttl);
}

}  // namespace tiercache::testing
