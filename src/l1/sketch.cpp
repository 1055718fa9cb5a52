#include "tiercache/l1/sketch.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace tiercache::l1 {

namespace {

constexpr std::uint64_t kCounter = 15;
constexpr std::uint64_t kOnes = 0x1111111111111111U;
constexpr std::uint64_t kHalves = 0x7777777777777777U;

// A key's four counters, each in a pair of words of its own.
struct Counters {
  std::array<unsigned, 4> words;
  std::array<unsigned, 4> shifts;

  explicit Counters(std::uint64_t spread) noexcept {
    for (unsigned i = 0; i < 4; ++i) {
      const auto bits = static_cast<unsigned>(spread >> (44 + 5 * i));
      words[i] = 2 * i + (bits & 1);
      shifts[i] = 4 * ((bits >> 1) & 15);
    }
  }
};

}  // namespace

Sketch::Line& Sketch::line(std::size_t index) noexcept {
  Line& line = lines_[index];
  if (odd_[index] != resets_) [[unlikely]] {
    for (std::uint64_t& word : line.words) {
      halves_lost_ += static_cast<unsigned>(std::popcount(word & kOnes));
      word = (word >> 1) & kHalves;
    }
    odd_[index] = resets_;
    // A use is in four counters; each of the halves that are lost is an eighth of one.
    counted_ -= std::min<std::size_t>(counted_, halves_lost_ / 8);
    halves_lost_ %= 8;
  }
  return line;
}

void Sketch::count(std::uint32_t hash, std::size_t period) noexcept {
  if (lines_.empty()) {
    return;
  }
  const std::uint64_t at = spread(hash);
  Line& to = line(line_of(at));
  const Counters counters(at);
  std::uint64_t least = kCounter;
  for (unsigned i = 0; i < 4; ++i) {
    least = std::min(least, (to.words[counters.words[i]] >> counters.shifts[i]) & kCounter);
  }
  if (least < kCounter) {
    // Only the least: the others have been counted up by other keys.
    for (unsigned i = 0; i < 4; ++i) {
      std::uint64_t& word = to.words[counters.words[i]];
      const bool grows = ((word >> counters.shifts[i]) & kCounter) == least;
      word += static_cast<std::uint64_t>(grows) << counters.shifts[i];
    }
    ++counted_;
  }
  age(period);
}

void Sketch::age(std::size_t period) noexcept {
  if (hand_ < lines_.size()) {
    line(hand_++);
  } else if (counted_ >= period) {
    resets_ ^= 1;
    hand_ = 0;
    counted_ /= 2;
  }
}

unsigned Sketch::estimate(std::uint32_t hash) noexcept {
  if (lines_.empty()) {
    return 0;
  }
  const std::uint64_t at = spread(hash);
  const Line& from = line(line_of(at));
  const Counters counters(at);
  std::uint64_t least = kCounter;
  for (unsigned i = 0; i < 4; ++i) {
    least = std::min(least, (from.words[counters.words[i]] >> counters.shifts[i]) & kCounter);
  }
  return static_cast<unsigned>(least);
}

void Sketch::prefetch(std::uint32_t hash) const noexcept {
  if (!lines_.empty()) {
    __builtin_prefetch(&lines_[line_of(spread(hash))], 1);
  }
}

void Sketch::clear() noexcept {
  *this = Sketch();
}

// A line becomes two that are alike: each key finds its counts in the one that is its own.
void Sketch::grow(std::size_t entries) {
  const std::size_t lines = std::bit_ceil((entries + kEntriesPerLine - 1) / kEntriesPerLine);
  const std::size_t old_lines = lines_.size();
  for (std::size_t i = 0; i < old_lines; ++i) {
    line(i);
  }
  lines_.resize(lines);
  odd_.resize(lines, resets_);
  for (std::size_t i = old_lines; old_lines != 0 && i < lines; ++i) {
    lines_[i] = lines_[i & (old_lines - 1)];
  }
  hand_ = lines;
}

}  // namespace tiercache::l1
