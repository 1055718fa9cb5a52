// How often a key was seen lately: a count-min sketch of 4-bit counters that are all halved after a
// number of uses (TinyLFU's reset). As in Caffeine, uses that find all counters of a key full are
// not counted, and what halving rounds off is taken from the count.
//
// The four counters of a key stand in one cache line. Halving is lazy, line by line: a line is
// halved when it is touched next, or by a hand that moves with the counting, so no reset ever
// stalls.
// Cost: 11 to 22 bytes for each entry of the store; one cache line an operation. Grows by
// doubling, O(table), and keeps its counts. Owned by TinyLfu.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tiercache::l1 {

class Sketch {
 public:
  // Grows to what a store of so many entries needs; nothing else allocates.
  void reserve(std::size_t entries) {
    if (entries > lines_.size() * kEntriesPerLine || lines_.empty()) {
      grow(entries);
    }
  }
  // Counts one use. After `period` of them all counts are halved.
  void count(std::uint32_t hash, std::size_t period) noexcept;
  // 0 to 15.
  unsigned estimate(std::uint32_t hash) noexcept;
  void prefetch(std::uint32_t hash) const noexcept;
  std::size_t bytes() const noexcept {
    return lines_.capacity() * sizeof(Line) + odd_.capacity();
  }
  void clear() noexcept;

 private:
  static constexpr unsigned kWords = 8;
  static constexpr unsigned kEntriesPerLine = 6;  // of 128 counters

  struct Line {
    std::uint64_t words[kWords];  // 16 counters each
  };
  static_assert(sizeof(Line) == 64);

  static std::uint64_t spread(std::uint32_t hash) noexcept {
    return (hash + std::uint64_t{1}) * 0x9e3779b97f4a7c15U;
  }
  std::size_t line_of(std::uint64_t spread) const noexcept {
    return (spread >> 8) & (lines_.size() - 1);
  }
  // Halves it if a reset since its last use asks for that.
  Line& line(std::size_t index) noexcept;
  void age(std::size_t period) noexcept;
  void grow(std::size_t entries);

  std::vector<Line> lines_;        // a power of two of them
  std::vector<std::uint8_t> odd_;  // for each line: whether it was halved in an odd reset
  std::size_t counted_ = 0;        // since the last reset
  unsigned halves_lost_ = 0;       // not yet taken from counted_
  std::size_t hand_ = 0;           // lines before it have seen the last reset
  std::uint8_t resets_ = 0;        // modulo 2
};

}  // namespace tiercache::l1
