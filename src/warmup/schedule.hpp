// Which of the warmups of the configuration runs when, and when clients may be let in. Pure; a
// plain value, the time a parameter that never goes back.
//
// Each is due at start, and again `refresh` after its last run began, once that has ended (0: never
// again). kAtOnce run at a time. Of those that are due the first runs go before refreshes, of these
// the required before the others, then the highest priority, then who has waited longest.
#pragma once

#include "tiercache/base/time.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <vector>

namespace tiercache::warmup {

class Schedule {
 public:
  static constexpr std::size_t kAtOnce = 4;

  struct Plan {
    std::uint32_t priority = 0;
    Duration refresh{0};
    bool required = false;
    Duration deadline{0};  // if required; from the start
  };

  Schedule() = default;
  Schedule(const std::vector<Plan>& plans, Time start) : start_(start) {
    for (const Plan& plan : plans) {
      all_.push_back({plan, start});
    }
  }

  // The next one to be run now, which counts as running from here on.
  std::optional<std::size_t> take(Time now) {
    if (running_ >= kAtOnce) {
      return std::nullopt;
    }
    One* best = nullptr;
    for (One& one : all_) {
      if (!one.running && one.due <= now && (best == nullptr || rank(one) < rank(*best))) {
        best = &one;
      }
    }
    if (best == nullptr) {
      return std::nullopt;
    }
    best->running = true;
    best->began = now;
    running_++;
    return static_cast<std::size_t>(best - all_.data());
  }

  // REQUIRES: it is running.
  void on_end(std::size_t index) {
    One& one = all_[index];
    one.running = false;
    one.ended_once = true;
    one.due = one.plan.refresh > Duration::zero() ? one.began + one.plan.refresh : kNever;
    running_--;
  }

  // Whether clients still wait for that one.
  bool holds(std::size_t index, Time now) const {
    const One& one = all_[index];
    return one.plan.required && !one.ended_once && now < start_ + one.plan.deadline;
  }
  // Whether no required one is waited for any more.
  bool ready(Time now) const {
    for (std::size_t i = 0; i < all_.size(); i++) {
      if (holds(i, now)) {
        return false;
      }
    }
    return true;
  }
  bool ended_once(std::size_t index) const {
    return all_[index].ended_once;
  }

  // When something has to be looked at again although nothing has ended; kNever: not by itself.
  Time next(Time now) const {
    Time next = kNever;
    for (std::size_t i = 0; i < all_.size(); i++) {
      if (!all_[i].running && running_ < kAtOnce) {
        next = std::min(next, all_[i].due);
      }
      if (holds(i, now)) {
        next = std::min(next, start_ + all_[i].plan.deadline);
      }
    }
    return next;
  }

 private:
  struct One {
    Plan plan;
    Time due{};
    Time began{};
    bool running = false;
    bool ended_once = false;
  };

  static std::tuple<bool, bool, std::uint32_t, Time> rank(const One& one) {
    return {one.ended_once, !one.plan.required, UINT32_MAX - one.plan.priority, one.due};
  }

  std::vector<One> all_;
  Time start_{};
  std::size_t running_ = 0;
};

}  // namespace tiercache::warmup
