// Which entries were evicted lately: the ghost queue of S3-FIFO as a hash table, the way its paper
// describes it. A slot holds a fingerprint and the time of the eviction, counted in evictions. For
// each tick of that time it is known how many of its ghosts are left, hence since when the queue
// goes back, and a slot from before is free.
//
// Cost: 64 bytes for 16 ghosts and 8 KiB at most for the ticks: 4.8 to 9.6 bytes for each entry of
// the store; two cache lines an operation. Grows by doubling, O(table), when the queue gets longer.
// A stranger passes for a member once in 4000 look-ups, and 1 % of the members are forgotten early
// because their line is full. Owned by S3Fifo.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tiercache::l1 {

class Ghosts {
 public:
  // Adds a member; the oldest beyond `length` of them are members no more.
  void add(std::uint32_t hash, std::size_t length);
  // Whether it is a member; it is none afterwards.
  bool take(std::uint32_t hash) noexcept;
  std::size_t bytes() const noexcept {
    return lines_.capacity() * sizeof(Line) + left_.capacity() * sizeof(std::uint32_t);
  }
  void clear() noexcept;

 private:
  static constexpr unsigned kSlots = 16;
  // Of a line's slots, on average, before the table doubles.
  static constexpr unsigned kFull = 12;

  struct Line {
    std::uint16_t prints[kSlots];  // 0: free
    std::uint16_t times[kSlots];

    // Bit i: slot i has that print.
    unsigned with(std::uint16_t print) const noexcept {
      unsigned found = 0;
      for (unsigned i = 0; i < kSlots; ++i) {
        found |= static_cast<unsigned>(prints[i] == print) << i;
      }
      return found;
    }
  };
  static_assert(sizeof(Line) == 64);

  struct Place {
    std::size_t line;
    std::uint16_t print;
  };
  Place place(std::uint32_t hash) const noexcept;
  std::uint16_t now() const noexcept {
    return static_cast<std::uint16_t>(evictions_ >> shift_);
  }
  std::uint16_t age(std::uint16_t time) const noexcept {
    return static_cast<std::uint16_t>(now() - time);
  }
  bool member(const Line& line, unsigned slot) const noexcept {
    return line.prints[slot] != 0 && age(line.times[slot]) < ticks_;
  }
  std::uint32_t& left(std::uint16_t time) noexcept {
    return left_[time & (left_.size() - 1)];
  }
  void forget(std::uint16_t time) noexcept;
  void grow(std::size_t lines);

  std::vector<Line> lines_;          // a power of two of them
  std::vector<std::uint32_t> left_;  // members of each tick; a ring, a power of two
  std::uint64_t evictions_ = 0;
  unsigned shift_ = 0;  // log2 of the evictions in a tick
  unsigned ticks_ = 0;  // the queue goes back so far, the present tick included
  std::size_t members_ = 0;
};

}  // namespace tiercache::l1
