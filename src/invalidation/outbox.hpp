// What waits to be told to one receiver, in order, and what becomes of it: batches, tried again,
// given up. Pure; the time is a parameter.
//
// One delivery at a time. While it is under way others wait, so the busier it is the fuller the
// batches are. Limits: `queue` that wait besides the delivery, and `queue_bytes`, the oldest of
// which go for new ones; `batch` of a delivery, and `batch_bytes`; `attempts`. One that is larger
// than a delivery may be goes, and all that wait before it. What went so is not told, but the next
// delivery begins with a notice that says how many.
#pragma once

#include "tiercache/base/backoff.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/invalidation/notice.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace tiercache::invalidation {

class Outbox {
 public:
  static constexpr std::chrono::milliseconds kBackoffMin{100};
  static constexpr std::chrono::seconds kBackoffMax{5};

  struct Limits {
    std::size_t queue = 1;
    std::size_t batch = 1;
    unsigned attempts = 1;
    // Of keys, which are as long as their clients like.
    std::size_t queue_bytes = std::size_t{64} << 20U;
    std::size_t batch_bytes = std::size_t{1} << 20U;
  };
  struct Totals {
    std::uint64_t told = 0;
    std::uint64_t failed = 0;  // deliveries that were not taken
    std::uint64_t lost = 0;
    std::size_t waiting = 0;
  };
  // `refused` counts as an attempt; where the way itself is `away` all waits until it is back.
  enum class Fault : std::uint8_t { refused, away };
  enum class Then : std::uint8_t { again, given_up };

  explicit Outbox(const Limits& limits) : limits_(limits) {
  }

  void add(Notice notice);
  // What is to be delivered now, until it is taken or has failed; null: nothing, not yet, or one is
  // under way.
  const std::vector<Notice>* next(Time now);
  void taken();
  Then failed(Fault fault, Time now, std::uint64_t random);
  // When next() may have something, if it depends on the time alone.
  Time due() const noexcept {
    return !busy_ && has_work() ? resting_until_ : kNever;
  }
  // Nothing waits that might be told now.
  bool settled(Time now) const noexcept {
    return !busy_ && (!has_work() || now < resting_until_);
  }
  Totals totals() const noexcept;

 private:
  bool has_work() const noexcept {
    return !delivery_.empty() || !queue_.empty() || gap_.lost > 0;
  }
  void lose(const Notice& notice);
  Notice take_oldest();
  std::size_t told_in_delivery() const noexcept;

  const Limits limits_;
  std::deque<Notice> queue_;
  std::size_t queue_bytes_ = 0;
  std::vector<Notice> delivery_;  // stays as it is until it is taken or given up
  unsigned attempts_ = 0;         // of it
  bool busy_ = false;
  Notice gap_{Notice::Kind::lost, Notice::Scope::all};
  Backoff backoff_{kBackoffMin, kBackoffMax};
  Time resting_until_{};
  Totals totals_;
};

}  // namespace tiercache::invalidation
