// SplitMix64 (Steele, Lea, Flood 2014), for jitter and choices that need no secrecy. Pure.
#pragma once

#include <cstdint>

namespace tiercache {

class SplitMix {
 public:
  explicit SplitMix(std::uint64_t seed) noexcept : state_(seed) {
  }
  std::uint64_t operator()() noexcept {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ mixed >> 30U) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ mixed >> 27U) * 0x94d049bb133111ebU;
    return mixed ^ mixed >> 31U;
  }

 private:
  std::uint64_t state_;
};

}  // namespace tiercache
