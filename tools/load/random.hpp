// A small fast generator (splitmix64). One owner, one thread; the same seed gives the same numbers.
#pragma once

#include <cstdint>

namespace tiercache::load {

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {
  }
  std::uint64_t next() noexcept {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
    return mixed ^ (mixed >> 31);
  }
  // REQUIRES: 0 < n <= 2^32. The bias is at most n / 2^32.
  std::uint64_t below(std::uint64_t n) noexcept {
    return ((next() >> 32) * n) >> 32;
  }
  // [0, 1)
  double fraction() noexcept {
    return static_cast<double>(next() >> 11) * 0x1p-53;
  }

 private:
  std::uint64_t state_;
};

}  // namespace tiercache::load
