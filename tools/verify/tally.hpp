// What one thread has counted. Written by that thread, read by anyone meanwhile.
#pragma once

#include "judge.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace tiercache::verify {

class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t get() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

struct Tally {
  Counter reads{};         // values read through a proxy and judged
  Counter direct_reads{};  // the same, directly
  Counter unjudged{};      // of keys that started again meanwhile
  Counter writes{};
  Counter errors{};   // error replies
  Counter unknown{};  // writes without a known outcome
  Counter lost{};     // connections lost, by timeouts too
  std::array<Counter, kChecks> checks{};

  Counter& check(Check which) noexcept {
    return checks[static_cast<std::size_t>(which)];
  }
};

}  // namespace tiercache::verify
