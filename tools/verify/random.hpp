// A small fast generator (xorshift64*), and a table to draw zipf-like keys from in one load.
// One owner, one thread. The same seed gives the same choices.
#pragma once

#include "value.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

namespace tiercache::verify {

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed * 0x9e3779b97f4a7c15ULL | 1U) {
  }
  std::uint32_t next() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<std::uint32_t>((state_ * 0x2545f4914f6cdd1dULL) >> 32);
  }
  // REQUIRES: n > 0.
  std::uint32_t below(std::uint32_t n) noexcept {
    return static_cast<std::uint32_t>((std::uint64_t{next()} * n) >> 32);
  }

 private:
  std::uint64_t state_;
};

// Ranks [0, count) with probability proportional to 1 / (rank + 1), every rank at least once.
inline std::vector<KeyId> zipf_table(std::uint32_t count) {
  constexpr std::size_t kDraws = std::size_t{1} << 16;
  double sum = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    sum += 1.0 / (i + 1.0);
  }
  std::vector<KeyId> table;
  table.reserve(kDraws + count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const double share = static_cast<double>(kDraws) / (i + 1.0) / sum;
    table.insert(table.end(), static_cast<std::size_t>(std::ceil(share)), i);
  }
  return table;
}

}  // namespace tiercache::verify
