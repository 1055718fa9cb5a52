// When the next batch may be read so that a rate is kept: what was taken is paid for by waiting
// afterwards, so no batch is too large for a small rate. Time that passed unused is not saved up.
// Pure; a plain value.
#pragma once

#include "tiercache/base/time.hpp"

#include <algorithm>
#include <cstdint>

namespace tiercache::warmup {

class Pace {
 public:
  // REQUIRES: per_second > 0.
  explicit Pace(std::uint32_t per_second) noexcept : per_second_(per_second) {
  }
  void take(std::uint64_t n, Time now) noexcept {
    // A day is more than anybody waits, and keeps the product far from its limits.
    constexpr std::uint64_t kMost = 86'400;
    const std::uint64_t whole = std::min<std::uint64_t>(n / per_second_, kMost);
    const std::uint64_t rest = n % per_second_;
    next_ = std::max(next_, now) + std::chrono::seconds(whole) +
            Duration(rest * 1'000'000'000 / per_second_);
  }
  // Not before this.
  Time next() const noexcept {
    return next_;
  }

 private:
  std::uint32_t per_second_;
  Time next_{};
};

}  // namespace tiercache::warmup
