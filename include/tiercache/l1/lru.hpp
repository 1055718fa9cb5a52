// Exact least-recently-used: the default. Its hits are moved in the list sixteen at a time (see
// HitNotes), and always before the order is looked at.
//
// Cost: nothing beside the entries' own links; 150 bytes a store.
// Owned by a Policy. Every operation is O(1).
#pragma once

#include "tiercache/l1/chain.hpp"

namespace tiercache::l1 {

class Lru {
 public:
  void hit(Entry* entry) noexcept {
    const Entry* last = notes_.last();
    if (entry == (last != nullptr ? last : chain_.newest())) {
      return;
    }
    if (notes_.full()) {
      settle();
    }
    notes_.add(entry);
  }
  void insert(Entry* entry) noexcept {
    settle();
    chain_.push(entry);
  }
  void remove(Entry* entry) noexcept {
    notes_.forget(entry);
    chain_.unlink(entry);
  }
  void evicted(const Entry*) noexcept {
  }
  void resized(const Entry*, std::size_t, std::size_t) noexcept {
  }
  Entry* victim(const Entry* spared, Measure) noexcept {
    settle();
    Entry* entry = chain_.oldest();
    return entry == spared ? nullptr : entry;
  }

  Entry* any() noexcept {
    return chain_.oldest();
  }
  void forget() noexcept {
  }
  std::size_t bytes() const noexcept {
    return 0;
  }
  template <class F>
  void for_each(F&& f) {
    settle();
    for (const Entry* entry = chain_.oldest(); entry != nullptr; entry = Chain::newer(entry)) {
      f(*entry);
    }
  }
  const Entry* hottest() noexcept {
    settle();
    return chain_.newest();
  }
  const Entry* colder(const Entry* entry) const noexcept {
    return Chain::older(entry);
  }
  void insert_like(Entry* copy, const Entry&) noexcept {
    chain_.push(copy);
  }
  void remember_like(const Lru&) noexcept {
  }

 private:
  void settle() noexcept {
    notes_.settle([this](Entry* entry) { chain_.touch(entry); });
  }

  Chain chain_;
  HitNotes notes_;
};

}  // namespace tiercache::l1
