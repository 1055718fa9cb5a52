// A log-linear histogram of durations (or of any unsigned numbers): 16 buckets for each power of
// two, so a quantile is at most 1/16 too high, over the full range of 64 bits, in 976 fixed
// buckets.
//
// One writing thread; anyone may merge or read it meanwhile, with the same weak promise as the
// counters. record() is O(1): a few instructions and one line. 8 KiB each.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tiercache::stats {

class Histogram {
 public:
  static constexpr unsigned kSubBits = 4;
  static constexpr std::size_t kSub = std::size_t{1} << kSubBits;
  // The numbers below kSub have a bucket each; then kSub for each further power of two.
  static constexpr std::size_t kBuckets = kSub * (64 - kSubBits + 1);

  // REQUIRES: one writing thread (merge writes too).
  void record(std::uint64_t value) noexcept {
    record(value, 1);
  }
  // The same value n times.
  void record(std::uint64_t value, std::uint64_t n) noexcept {
    bump(buckets_[bucket_of(value)], n);
    bump(sum_, value * n);
    if (value > max_.load(std::memory_order_relaxed)) {
      max_.store(value, std::memory_order_relaxed);
    }
  }
  // A negative duration counts as zero.
  void record(std::chrono::nanoseconds duration) noexcept {
    record(duration.count() < 0 ? 0 : static_cast<std::uint64_t>(duration.count()));
  }
  void merge(const Histogram& other) noexcept;
  // Whoever reads meanwhile may see a part of what was.
  void reset() noexcept;

  std::uint64_t count() const noexcept;
  std::uint64_t sum() const noexcept {
    return sum_.load(std::memory_order_relaxed);
  }
  std::uint64_t max() const noexcept {
    return max_.load(std::memory_order_relaxed);
  }
  // An upper bound of the value at that quantile (0.5 = median, 1 = max()), at most 1/16 above it;
  // 0 if nothing was recorded. REQUIRES: 0 <= q <= 1.
  std::uint64_t quantile(double q) const noexcept;

  // For exporters: how many values fell into a bucket, and the highest value that belongs to it.
  std::uint64_t in_bucket(std::size_t bucket) const noexcept {
    return buckets_[bucket].load(std::memory_order_relaxed);
  }
  static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
    if (value < kSub) {
      return static_cast<std::size_t>(value);
    }
    const auto power = static_cast<unsigned>(std::bit_width(value)) - 1 - kSubBits;
    return kSub * power + static_cast<std::size_t>(value >> power);
  }
  static constexpr std::uint64_t highest_of(std::size_t bucket) noexcept {
    if (bucket < kSub) {
      return bucket;
    }
    const std::size_t power = bucket / kSub - 1;
    // Wraps to the largest number for the last bucket.
    return ((std::uint64_t{bucket % kSub + kSub + 1}) << power) - 1;
  }

 private:
  using Cell = std::atomic<std::uint64_t>;
  static void bump(Cell& cell, std::uint64_t n) noexcept {
    cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  std::array<Cell, kBuckets> buckets_{};
  Cell sum_{0};
  Cell max_{0};
};

}  // namespace tiercache::stats
