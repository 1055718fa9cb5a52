// Writes that have been acknowledged, waiting for max_staleness to pass: from then on no proxy may
// answer anything older. First in, first out, because all wait equally long.
//
// One owner, one thread; it must be drained often (late only weakens the check). The queue is as
// long as the writes of one max_staleness.
#pragma once

#include "book.hpp"
#include "expiry.hpp"

#include <deque>

namespace tiercache::verify {

class DueFloors {
 public:
  explicit DueFloors(Nanos wait) noexcept : wait_(wait) {
  }
  void add(KeyId key, Version version, Nanos acknowledged) {
    waiting_.push_back({acknowledged + wait_, key, version});
  }
  // `now` is a time at which the reads that will see the floors have not been sent yet.
  void drain(Nanos now, Book& book) {
    while (!waiting_.empty() && waiting_.front().due < now) {
      book.raise_direct_floor(waiting_.front().key, waiting_.front().version);
      waiting_.pop_front();
    }
  }

 private:
  struct Entry {
    Nanos due;
    KeyId key;
    Version version;
  };
  Nanos wait_;
  std::deque<Entry> waiting_{};
};

}  // namespace tiercache::verify
