#include "tiercache/stats/histogram.hpp"

#include <algorithm>
#include <cmath>

namespace tiercache::stats {

void Histogram::merge(const Histogram& other) noexcept {
  for (std::size_t i = 0; i < kBuckets; ++i) {
    if (const std::uint64_t n = other.in_bucket(i)) {
      bump(buckets_[i], n);
    }
  }
  bump(sum_, other.sum());
  max_.store(std::max(max(), other.max()), std::memory_order_relaxed);
}

void Histogram::reset() noexcept {
  for (Cell& cell : buckets_) {
    cell.store(0, std::memory_order_relaxed);
  }
  sum_.store(0, std::memory_order_relaxed);
  max_.store(0, std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const noexcept {
  std::uint64_t total = 0;
  for (const Cell& cell : buckets_) {
    total += cell.load(std::memory_order_relaxed);
  }
  return total;
}

std::uint64_t Histogram::quantile(double q) const noexcept {
  const std::uint64_t total = count();
  if (total == 0) {
    return 0;
  }
  // The rank of the value asked for, from 1.
  const double exact = std::ceil(q * static_cast<double>(total));
  const std::uint64_t rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(exact), 1, total);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += in_bucket(i);
    if (seen >= rank) {
      return std::min(highest_of(i), max());
    }
  }
  return max();
}

}  // namespace tiercache::stats
