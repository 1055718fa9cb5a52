// Whether reads go past L1 for a while: where L1 is full and hardly any read hits, as while a batch
// job walks over all keys, what a fill evicts is worth as little as what it brings, and it costs
// Redis a PTTL and this proxy a flight. What L1 has is served all the same.
//
// Windows of kWindow reads. Behind one in which fewer than one read in kUseful hit, and at least
// every other miss evicted an entry, up to kPast windows fill nothing, for a second at most. Then
// one fills again, so that what has become hot meanwhile shows. Windows take turns, rather than
// single reads at random, because a read that goes past L1 makes fills of its key that are under
// way void (Shard::on_pass_read): of a very hot key none would ever be kept.
//
// The idea is that of bimodal insertion (M. Qureshi, A. Jaleel, Y. Patt, S. Steely, J. Emer:
// "Adaptive insertion policies for high performance caching", ISCA 2007), in time instead of sets.
//
// Pure. Owned by a worker: it sees that worker's reads, and everybody's evictions.
#pragma once

#include "tiercache/base/time.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace tiercache::proxy {

class Bypass {
 public:
  static constexpr std::uint64_t kWindow = 32768;
  static constexpr std::uint64_t kUseful = 16;
  static constexpr unsigned kPast = 15;
  static constexpr Duration kLongest = std::chrono::seconds(1);

  // Whether a read that L1 cannot answer fills nothing.
  bool past() const noexcept {
    return left_ != 0;
  }
  // Whether a window is over. Totals so far; a read that went past L1 is a miss.
  bool due(std::uint64_t hits, std::uint64_t misses, Time now) const noexcept {
    return hits + misses - reads_ >= kWindow || (past() && now >= until_);
  }
  // REQUIRES: due(). `evictions()` is the total so far, asked for only where hits are few.
  template <class Evictions>
  void end_window(std::uint64_t hits, std::uint64_t misses, Time now, Evictions&& evictions) {
    const std::uint64_t reads = hits + misses - reads_;
    const std::uint64_t missed = reads - (hits - hits_);
    const bool useful = (hits - hits_) * kUseful >= reads;
    reads_ = hits + misses;
    hits_ = hits;
    if (useful) {
      left_ = 0;
      evicted_.reset();
      return;
    }
    if (past()) {
      left_ = now < until_ ? left_ - 1 : 0;
      if (!past()) {
        evicted_ = evictions();
      }
      return;
    }
    const std::uint64_t evicted = evictions();
    if (evicted_ && 2 * (evicted - *evicted_) >= missed) {
      left_ = kPast;
      until_ = now + kLongest;
    }
    evicted_ = evicted;
  }

 private:
  std::uint64_t reads_ = 0;
  std::uint64_t hits_ = 0;
  unsigned left_ = 0;  // windows that fill nothing
  Time until_{};
  std::optional<std::uint64_t> evicted_;  // before this window; none: the last was of use
};

}  // namespace tiercache::proxy
