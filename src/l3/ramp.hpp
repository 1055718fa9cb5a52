// How many queries a source is asked at a time while it or we are cold: few at first, then as many
// more as have been answered, the faster the more reads need none.
//
// A round is as many answers as are allowed at a time. After each the limit grows: by one at least,
// so that it ends whatever the reads are like, and by as large a part of itself as the share of
// reads that needed no load. Without hits it grows in steps, with a warm L1 it doubles. When the
// source had to be left alone it begins anew: whoever comes back is cold itself.
//
// Pure; not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>

namespace tiercache::l3 {

class Ramp {
 public:
  // `cold` 0: no ramp.
  Ramp(std::size_t cold, std::size_t whole) noexcept
      : cold_(cold == 0 ? whole : std::min(cold, whole)), whole_(whole), limit_(cold_) {
  }

  std::size_t limit() const noexcept {
    return limit_;
  }
  // `warm_percent`: of the reads of late, how many needed no load. True: the limit has grown.
  bool on_answered(unsigned warm_percent) noexcept {
    if (limit_ == whole_ || ++answered_ < limit_) {
      return false;
    }
    answered_ = 0;
    const std::size_t more = std::max<std::size_t>(1, limit_ * std::min(warm_percent, 100U) / 100);
    limit_ = std::min(whole_, limit_ + more);
    return true;
  }
  void on_left_alone() noexcept {
    limit_ = cold_;
    answered_ = 0;
  }

 private:
  const std::size_t cold_;
  const std::size_t whole_;
  std::size_t limit_;
  std::size_t answered_ = 0;  // in this round
};

}  // namespace tiercache::l3
