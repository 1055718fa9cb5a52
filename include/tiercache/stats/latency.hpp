// How long clients wait for the proxy, by what answered them. One block a thread.
//
// One writing thread; anyone may read meanwhile (histogram.hpp). 32 KiB.
#pragma once

#include "tiercache/stats/histogram.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tiercache::stats {

enum class Answered : std::uint8_t {
  hit,    // from memory, without a wait
  miss,   // a read that memory might have answered, by Redis
  write,  // by Redis; scripts too, until the reply was passed on
  other,  // by Redis
};
inline constexpr std::size_t kAnswered = static_cast<std::size_t>(Answered::other) + 1;
inline constexpr std::array<std::string_view, kAnswered> kAnsweredNames = {"hit", "miss", "write",
                                                                           "other"};

class Latencies {
 public:
  // `n` of them.
  void record(Answered by, std::chrono::nanoseconds took, std::uint64_t n = 1) noexcept {
    const auto count = took.count() < 0 ? 0 : static_cast<std::uint64_t>(took.count());
    histograms_[static_cast<std::size_t>(by)].record(count, n);
  }
  const Histogram& of(Answered by) const noexcept {
    return histograms_[static_cast<std::size_t>(by)];
  }
  // REQUIRES: the writing thread.
  void reset() noexcept {
    for (Histogram& histogram : histograms_) {
      histogram.reset();
    }
  }

 private:
  std::array<Histogram, kAnswered> histograms_;
};

}  // namespace tiercache::stats
