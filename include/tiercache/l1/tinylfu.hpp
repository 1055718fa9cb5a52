// W-TinyLFU, after G. Einziger, R. Friedman, B. Manes: "TinyLFU: A Highly Efficient Cache Admission
// Policy", ACM Transactions on Storage 13(4), 2017: a window of 1 %, least recently used, before a
// main part that is a segmented LRU (80 % protected, 20 % on probation). What leaves the window of
// a full store is admitted to main only if it was used more often lately than main's own victim,
// by a count-min sketch of 4-bit counters. The window does not adapt.
//
// Hits are moved in the lists sixteen at a time, as Lru's.
// Cost: 11 to 22 bytes an entry (Sketch), 300 bytes a store.
// Owned by a Policy. Every operation is O(1).
#pragma once

#include "tiercache/l1/chain.hpp"
#include "tiercache/l1/sketch.hpp"

#include <array>
#include <limits>

namespace tiercache::l1 {

class TinyLfu {
 public:
  void hit(Entry* entry) noexcept {
    if (notes_.full()) {
      settle();
    }
    notes_.add(entry);
    sketch_.prefetch(entry->home_hash());
  }
  void insert(Entry* entry);
  void remove(Entry* entry) noexcept {
    notes_.forget(entry);
    part_of(entry).unlink(entry);
  }
  void evicted(const Entry*) noexcept {
  }
  void resized(const Entry* entry, std::size_t from, std::size_t to) noexcept {
    part_of(entry).resized(from, to);
  }
  Entry* victim(const Entry* spared, Measure measure) noexcept;

  Entry* any() noexcept;
  void forget() noexcept {
    sketch_.clear();
  }
  std::size_t bytes() const noexcept {
    return sketch_.bytes();
  }
  // The window first, then what is on probation.
  template <class F>
  void for_each(F&& f) {
    settle();
    for (const Queue& part : parts_) {
      part.for_each(f);
    }
  }
  const Entry* hottest() noexcept {
    settle();
    return newest_below(parts_.size());
  }
  const Entry* colder(const Entry* entry) const noexcept {
    const Entry* older = Chain::older(entry);
    return older != nullptr ? older : newest_below(entry->policy_bits() & kPart);
  }
  void insert_like(Entry* copy, const Entry& model) noexcept {
    copy->set_policy_bits(model.policy_bits());
    part_of(copy).push(copy);
  }
  void remember_like(const TinyLfu& other) {
    sketch_ = other.sketch_;
    measure_ = other.measure_;
    full_ = other.full_;
  }

 private:
  enum Part : std::uint64_t { window, probation, guarded };
  static constexpr std::uint64_t kPart = 3;  // of the policy's bits

  Queue& part_of(const Entry* entry) noexcept {
    return parts_[entry->policy_bits() & kPart];
  }
  // Of the parts before that one, the last that has entries.
  const Entry* newest_below(std::size_t end) const noexcept {
    const Entry* entry = nullptr;
    while (end > 0 && entry == nullptr) {
      entry = parts_[--end].newest();
    }
    return entry;
  }
  std::size_t entries() const noexcept {
    return parts_[window].size() + parts_[probation].size() + parts_[guarded].size();
  }
  std::size_t amount() const noexcept {
    return parts_[window].amount(measure_) + parts_[probation].amount(measure_) +
           parts_[guarded].amount(measure_);
  }
  // Until the store has been full its size says nothing of what it will hold, and nobody asks the
  // sketch.
  std::size_t period() const noexcept {
    return full_ ? 10 * (entries() + 1) : std::numeric_limits<std::size_t>::max();
  }
  void move(Entry* entry, Part to) noexcept;
  void use(Entry* entry) noexcept;
  void settle() noexcept {
    notes_.settle([this](Entry* entry) { use(entry); });
  }

  std::array<Queue, 3> parts_;
  HitNotes notes_;
  Sketch sketch_;
  Measure measure_ = Measure::entries;
  bool full_ = false;  // has been, once
};

}  // namespace tiercache::l1
