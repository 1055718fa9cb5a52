// The lists that eviction policies keep entries in: intrusive, through the two links that every
// entry has, so an entry is in one list at a time.
//
// Owned by a policy. Every operation is O(1) and touches the neighbours' lines.
#pragma once

#include "tiercache/l1/entry.hpp"

#include <cstddef>

namespace tiercache::l1 {

// What a policy's shares are shares of: whichever limit the store is at.
enum class Measure : std::uint8_t { entries, bytes };

class Chain {
 public:
  Entry* newest() const noexcept {
    return newest_;
  }
  Entry* oldest() const noexcept {
    return oldest_;
  }
  static Entry* newer(const Entry* entry) noexcept {
    return entry->prev();
  }
  static Entry* older(const Entry* entry) noexcept {
    return entry->next();
  }

  void push(Entry* entry) noexcept {
    entry->set_prev(nullptr);
    entry->set_next(newest_);
    if (newest_ != nullptr) {
      newest_->set_prev(entry);
    } else {
      oldest_ = entry;
    }
    newest_ = entry;
  }
  void unlink(Entry* entry) noexcept {
    Entry* newer = entry->prev();
    Entry* older = entry->next();
    if (newer != nullptr) {
      newer->set_next(older);
    } else {
      newest_ = older;
    }
    if (older != nullptr) {
      older->set_prev(newer);
    } else {
      oldest_ = newer;
    }
  }
  void touch(Entry* entry) noexcept {
    if (entry != newest_) {
      unlink(entry);
      push(entry);
    }
  }

 private:
  Entry* newest_ = nullptr;
  Entry* oldest_ = nullptr;
};

// A chain that knows how much is in it.
class Queue {
 public:
  Entry* newest() const noexcept {
    return chain_.newest();
  }
  Entry* oldest() const noexcept {
    return chain_.oldest();
  }
  std::size_t size() const noexcept {
    return size_;
  }
  std::size_t amount(Measure measure) const noexcept {
    return measure == Measure::entries ? size_ : bytes_;
  }
  // The oldest that is not `spared`.
  Entry* oldest_but(const Entry* spared) const noexcept {
    Entry* entry = chain_.oldest();
    return entry != nullptr && entry == spared ? Chain::newer(entry) : entry;
  }

  void push(Entry* entry) noexcept {
    chain_.push(entry);
    ++size_;
    bytes_ += entry->block_size();
  }
  void unlink(Entry* entry) noexcept {
    chain_.unlink(entry);
    --size_;
    bytes_ -= entry->block_size();
  }
  void touch(Entry* entry) noexcept {
    chain_.touch(entry);
  }
  // An entry's block is about to hold another reply.
  void resized(std::size_t from, std::size_t to) noexcept {
    bytes_ = bytes_ - from + to;
  }

  template <class F>
  void for_each(F&& f) const {
    for (const Entry* entry = chain_.oldest(); entry != nullptr; entry = Chain::newer(entry)) {
      f(*entry);
    }
  }

 private:
  Chain chain_;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
};

// Hits in their order that are not applied yet. A move in a list costs two random lines beyond the
// CPU's caches: noting the hit prefetches them, so that these misses overlap with the requests in
// between. An entry that is noted has kPolicyPending set.
class HitNotes {
 public:
  bool full() const noexcept {
    return count_ == kMost;
  }
  // The entry noted last, or null.
  const Entry* last() const noexcept {
    return count_ == 0 ? nullptr : notes_[count_ - 1];
  }
  // REQUIRES: not full.
  void add(Entry* entry) noexcept {
    notes_[count_++] = entry;
    entry->expiry_ |= Entry::kPolicyPending;
    __builtin_prefetch(entry->prev(), 1);
    __builtin_prefetch(entry->next(), 1);
  }
  void forget(const Entry* entry) noexcept {
    if ((entry->expiry_ & Entry::kPolicyPending) != 0) {
      for (unsigned i = 0; i < count_; ++i) {
        notes_[i] = notes_[i] == entry ? nullptr : notes_[i];
      }
    }
  }
  // Calls f(Entry*) on each, in order, and forgets them.
  template <class F>
  void settle(F&& f) noexcept {
    for (unsigned i = 0; i < count_; ++i) {
      if (Entry* entry = notes_[i]) {
        entry->expiry_ &= ~Entry::kPolicyPending;
        f(entry);
      }
    }
    count_ = 0;
  }

 private:
  static constexpr unsigned kMost = 16;

  unsigned count_ = 0;
  // Null where the entry has gone since.
  Entry* notes_[kMost] = {};
};

}  // namespace tiercache::l1
