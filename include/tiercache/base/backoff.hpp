// How long to wait before the next attempt: doubling from `min` to `max`, and a random part of half
// of it, so that many proxies do not come back to a restarted server in step. Pure.
#pragma once

#include "tiercache/base/time.hpp"

#include <algorithm>
#include <cstdint>

namespace tiercache {

class Backoff {
 public:
  Backoff(Duration min, Duration max) noexcept : min_(min), max_(std::max(min, max)) {
  }

  // After a failure. Between half of the step and all of it.
  Duration next(std::uint64_t random) noexcept {
    const Duration step = step_;
    step_ = step > max_ / 2 ? max_ : step * 2;
    const auto half = static_cast<std::uint64_t>(step.count() / 2);
    return Duration(step.count() - static_cast<std::int64_t>(half == 0 ? 0 : random % (half + 1)));
  }
  void reset() noexcept {
    step_ = min_;
  }
  Duration min() const noexcept {
    return min_;
  }

 private:
  Duration min_;
  Duration max_;
  Duration step_ = min_;
};

}  // namespace tiercache
