// What all threads of a run share. Everything in it is constant or safe to use from any thread; the
// run owns it and outlives the threads.
#pragma once

#include "book.hpp"
#include "expiry.hpp"
#include "plan.hpp"
#include "violations.hpp"
#include "watch_ledger.hpp"

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>

namespace tiercache::verify {

inline Nanos now_nanos() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

enum class Phase : std::uint8_t { writing, reading, ending };

struct RunState {
  RunState(const Settings& given, std::uint16_t run)
      : settings(given),
        plan(given),
        names(run),
        book(plan.keys),
        expiry(plan.expiring.first, plan.expiring.count, given.clock_slack_ms * 1'000'000),
        watch(plan.watched.first, plan.watched.count),
        violations(given.faults == Faults::expected ? Violations::Mode::suspect_first
                                                    : Violations::Mode::certain) {
  }

  const Endpoint& endpoint(Lane lane) const {
    return lane == plan.direct_lane() ? settings.redis : settings.proxies[lane];
  }
  std::string lane_name(Lane lane) const {
    return lane == plan.direct_lane() ? "redis" : "proxy" + std::to_string(lane + 1);
  }
  Nanos max_staleness() const noexcept {
    return settings.max_staleness_ms * 1'000'000;
  }

  // Keeps the first error reply, for people.
  void note_error(std::string_view command, std::string_view text) {
    if (!errors_seen.exchange(true)) {
      first_error.append(command).append(": ").append(text.substr(0, 200));
    }
  }

  const Settings settings;
  const Plan plan;
  const Names names;
  Book book;
  ExpiryBook expiry;
  WatchLedger watch;
  Violations violations;
  std::atomic<Phase> phase{Phase::writing};
  std::atomic<bool> errors_seen{false};
  std::string first_error{};  // read when all threads are joined
  const Nanos started = now_nanos();
};

}  // namespace tiercache::verify
