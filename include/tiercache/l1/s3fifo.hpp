// S3-FIFO, after J. Yang, Y. Zhang, Z. Qiu, Y. Yue, K. V. Rashmi: "FIFO queues are all you need for
// cache eviction", SOSP 2023, algorithm 1: a small queue of a tenth, a main queue for the rest, and
// ghosts, as many as the main queue may hold. A new entry starts in the small queue, or in main if
// it is a ghost. At its end the small queue moves what was hit more than once to main and evicts
// the rest; main gives each entry as many further rounds as it was hit, three at most.
//
// A hit is a saturating counter in the entry's own header, so it costs less than LRU's.
// Cost: 4.8 to 9.6 bytes an entry (Ghosts), 150 bytes a store. Below some 100 entries LRU is
// better. Owned by a Policy. Every operation is O(1), amortized where it evicts.
#pragma once

#include "tiercache/l1/chain.hpp"
#include "tiercache/l1/ghosts.hpp"

namespace tiercache::l1 {

class S3Fifo {
 public:
  // Concerns the entry alone, in whichever queue of whichever S3Fifo it is.
  static void hit(Entry* entry) noexcept {
    const std::uint64_t hits = entry->policy_bits() & kHits;
    if (hits < kHits) {
      entry->set_policy_bits(entry->policy_bits() + 1);
    }
  }
  void insert(Entry* entry);
  void remove(Entry* entry) noexcept {
    queue_of(entry).unlink(entry);
  }
  // `entry`, in its queue still, is about to go for want of room.
  void evicted(const Entry* entry);
  void resized(const Entry* entry, std::size_t from, std::size_t to) noexcept {
    queue_of(entry).resized(from, to);
  }
  Entry* victim(const Entry* spared, Measure measure) noexcept;

  Entry* any() noexcept {
    return small_.oldest() != nullptr ? small_.oldest() : main_.oldest();
  }
  void forget() noexcept {
    ghosts_.clear();
  }
  std::size_t bytes() const noexcept {
    return ghosts_.bytes();
  }
  // The small queue first.
  template <class F>
  void for_each(F&& f) {
    small_.for_each(f);
    main_.for_each(f);
  }
  const Entry* hottest() const noexcept {
    return main_.newest() != nullptr ? main_.newest() : small_.newest();
  }
  const Entry* colder(const Entry* entry) const noexcept {
    const Entry* older = Chain::older(entry);
    return older == nullptr && (entry->policy_bits() & kInMain) != 0 ? small_.newest() : older;
  }
  void insert_like(Entry* copy, const Entry& model) noexcept {
    copy->set_policy_bits(model.policy_bits());
    queue_of(copy).push(copy);
  }
  void remember_like(const S3Fifo& other) {
    ghosts_ = other.ghosts_;
  }

 private:
  static constexpr std::uint64_t kHits = 3;  // a mask, and the most that counts
  static constexpr std::uint64_t kInMain = 4;
  static constexpr std::uint64_t kPromoted = 2;  // hits that lead from small to main

  Queue& queue_of(const Entry* entry) noexcept {
    return (entry->policy_bits() & kInMain) != 0 ? main_ : small_;
  }
  std::size_t ghost_length() const noexcept {
    return (small_.size() + main_.size()) * 9 / 10;
  }
  Entry* main_victim(const Entry* spared) noexcept;

  Queue small_;
  Queue main_;
  Ghosts ghosts_;
};

}  // namespace tiercache::l1
