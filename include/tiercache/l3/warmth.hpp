// Of the reads of late, how many needed no load from a source: from sums that only grow, looked at
// now and then, what is older counting half with each look. Pure; not thread-safe.
#pragma once

#include "tiercache/base/time.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace tiercache::l3 {

class Warmth {
 public:
  static constexpr Duration kPause = std::chrono::milliseconds(100);

  bool due(Time now) const noexcept {
    return now >= next_;
  }
  // All reads so far, and those of them that needed a load.
  void look(std::uint64_t reads, std::uint64_t loads, Time now) noexcept {
    recent_reads_ = recent_reads_ / 2 + (reads - reads_);
    recent_loads_ = recent_loads_ / 2 + (loads - loads_);
    reads_ = reads;
    loads_ = loads;
    next_ = now + kPause;
  }
  // 0 as long as nothing is known.
  unsigned percent() const noexcept {
    if (recent_reads_ == 0) {
      return 0;
    }
    const std::uint64_t cold = std::min(recent_loads_, recent_reads_) * 100 / recent_reads_;
    return static_cast<unsigned>(100 - cold);
  }

 private:
  std::uint64_t reads_ = 0;
  std::uint64_t loads_ = 0;
  std::uint64_t recent_reads_ = 0;
  std::uint64_t recent_loads_ = 0;
  Time next_{};
};

}  // namespace tiercache::l3
