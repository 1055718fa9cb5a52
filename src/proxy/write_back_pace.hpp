// How much of a queue the next transaction takes, and how long it may take. What does not go
// together is tried in halves, down to one by one: so a source that is too slow for all gets them
// in parts, and the one record that it does not take is known. A record that does not go alone may
// have more changes than fit into the source's timeout: it gets twice the time with each attempt,
// the timeout for each change at most. What goes lets the next be larger, by an eighth. Pure.
#pragma once

#include <algorithm>
#include <cstddef>

namespace tiercache::proxy {

class Pace {
 public:
  // `most`: records of a transaction.
  explicit Pace(std::size_t most) : most_(std::max<std::size_t>(most, 1)), size_(most_) {
  }

  std::size_t records() const noexcept {
    return singly_ > 0 ? 1 : size_;
  }
  // In timeouts of the source.
  std::size_t patience(std::size_t changes) const noexcept {
    return std::clamp<std::size_t>(changes, 1, patience_);
  }

  // The fault of one of so many.
  void on_refused(std::size_t records) noexcept {
    singly_ = records;
  }
  void on_failed(std::size_t records) noexcept {
    if (records > 1) {
      size_ = records / 2;
    } else if (patience_ < kMostPatience) {
      patience_ *= 2;
    }
  }
  // They are done with, one way or the other.
  void on_done(std::size_t records) noexcept {
    singly_ -= std::min(singly_, records);
    size_ = std::min(most_, size_ + std::max<std::size_t>(1, size_ / 8));
    patience_ = 1;
  }

 private:
  static constexpr std::size_t kMostPatience = std::size_t{1} << 20U;

  const std::size_t most_;
  std::size_t size_;
  std::size_t singly_ = 0;  // so many more are applied one by one
  std::size_t patience_ = 1;
};

}  // namespace tiercache::proxy
