// The eviction order: exact least-recently-used, as an intrusive list through the entries.
//
// A hit is only noted; the list moves are done sixteen at a time, and always before the order is
// looked at. Beyond the CPU's caches a move costs two more random lines (the neighbours): noting
// the hit prefetches them, so that these misses overlap with the requests in between.
//
// This is the seam for other policies: a policy says what a hit, an insertion and a removal do and
// who goes next, and has four bits of its own in each entry besides the two links.
// Owned by a Store, same thread. Every operation is O(1).
#pragma once

#include "tiercache/l1/entry.hpp"

#include <array>

namespace tiercache::l1 {

class Lru {
 public:
  void hit(Entry* entry) noexcept {
    if (entry == (noted_count_ == 0 ? newest_ : noted_[noted_count_ - 1])) {
      return;
    }
    if (noted_count_ == kNoted) {
      settle();
    }
    noted_[noted_count_++] = entry;
    entry->next_command_ |= Entry::kPolicyPending;
    __builtin_prefetch(entry->prev(), 1);
    __builtin_prefetch(entry->next(), 1);
  }

  void insert(Entry* entry) noexcept;
  void remove(Entry* entry) noexcept;
  // The entry to evict next, or null.
  Entry* victim() noexcept {
    settle();
    return oldest_;
  }

  // From the oldest (next victim) on: towards the newest.
  Entry* oldest() noexcept {
    settle();
    return oldest_;
  }
  static Entry* newer(const Entry* entry) noexcept {
    return entry->prev();
  }

 private:
  static constexpr unsigned kNoted = 16;

  void settle() noexcept;
  void link_newest(Entry* entry) noexcept;
  void unlink(Entry* entry) noexcept;

  Entry* newest_ = nullptr;
  Entry* oldest_ = nullptr;
  unsigned noted_count_ = 0;
  // Hits in their order, not yet moved; null where the entry has gone since.
  std::array<Entry*, kNoted> noted_{};
};

}  // namespace tiercache::l1
