#include "tiercache/l1/ghosts.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace tiercache::l1 {

namespace {

// Slots of a table whose time counts every eviction singly; larger ones have longer ticks.
constexpr std::size_t kSingly = 512;
// Ticks in the ring for each tick of a queue without gaps.
constexpr std::size_t kStretch = 4;

}  // namespace

Ghosts::Place Ghosts::place(std::uint32_t hash) const noexcept {
  const std::uint64_t spread = (hash + std::uint64_t{1}) * 0x9e3779b97f4a7c15U;
  const auto print = static_cast<std::uint16_t>(spread >> 48);
  return {(spread >> 16) & (lines_.size() - 1), std::max(print, std::uint16_t{1})};
}

void Ghosts::add(std::uint32_t hash, std::size_t length) {
  if (length > lines_.size() * kFull || lines_.empty()) {
    grow(std::bit_ceil(length / kFull + 1));
  }
  const Place at = place(hash);
  Line& line = lines_[at.line];
  // Its own slot if it has one, else one that is free, else the oldest.
  unsigned best = 0;
  unsigned found = line.with(at.print);
  found = found != 0 ? found : line.with(0);
  if (found != 0) {
    best = static_cast<unsigned>(std::bit_width(found)) - 1;
  } else {
    for (unsigned i = 1; i < kSlots; ++i) {
      best = age(line.times[i]) >= age(line.times[best]) ? i : best;
    }
  }
  if (member(line, best)) {
    forget(line.times[best]);
  }
  const std::uint16_t before = now();
  ++evictions_;
  if (now() != before || ticks_ == 0) {
    ticks_ = std::min(ticks_ + 1, static_cast<unsigned>(left_.size()));
    members_ -= std::min<std::size_t>(members_, left(now()));
    left(now()) = 0;
  }
  line.prints[best] = at.print;
  line.times[best] = now();
  ++left(now());
  ++members_;
  while (members_ > length && ticks_ > 1) {
    --ticks_;
    const auto oldest = static_cast<std::uint16_t>(now() - ticks_);
    members_ -= std::min<std::size_t>(members_, left(oldest));
    left(oldest) = 0;
  }
}

bool Ghosts::take(std::uint32_t hash) noexcept {
  if (lines_.empty()) {
    return false;
  }
  const Place at = place(hash);
  Line& line = lines_[at.line];
  const unsigned found = line.with(at.print);
  if (found == 0) {
    return false;
  }
  const auto i = static_cast<unsigned>(std::countr_zero(found));
  const bool taken = member(line, i);
  if (taken) {
    forget(line.times[i]);
  }
  line.prints[i] = 0;
  return taken;
}

void Ghosts::forget(std::uint16_t time) noexcept {
  // A ghost that growing has doubled may have been counted out already.
  if (left(time) > 0 && members_ > 0) {
    --left(time);
    --members_;
  }
}

void Ghosts::clear() noexcept {
  *this = Ghosts();
}

// A line's members go to both of the lines that it becomes: each is found in the one that is its
// own, and ages in the other.
void Ghosts::grow(std::size_t lines) {
  const std::size_t old_lines = lines_.size();
  const unsigned old_shift = shift_;
  const std::uint16_t old_now = now();
  while ((lines * kSlots >> shift_) > kSingly) {
    ++shift_;
  }
  const unsigned coarser = shift_ - old_shift;
  const auto moved = [&](std::uint16_t time) {
    return static_cast<std::uint16_t>(now() -
                                      (static_cast<std::uint16_t>(old_now - time) >> coarser));
  };
  const std::vector<std::uint32_t> old_left = std::exchange(
      left_, std::vector<std::uint32_t>(kStretch * std::min(lines * kSlots, kSingly)));
  for (unsigned i = 0; i < ticks_; ++i) {
    const auto time = static_cast<std::uint16_t>(old_now - i);
    left(moved(time)) += old_left[time & (old_left.size() - 1)];
  }
  ticks_ = (ticks_ + (1U << coarser) - 1) >> coarser;
  lines_.resize(lines);
  for (std::size_t i = 0; i < old_lines; ++i) {
    for (std::uint16_t& time : lines_[i].times) {
      time = moved(time);
    }
  }
  for (std::size_t i = old_lines; old_lines != 0 && i < lines; ++i) {
    lines_[i] = lines_[i & (old_lines - 1)];
  }
}

}  // namespace tiercache::l1
