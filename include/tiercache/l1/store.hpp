// The memory of one shard of L1: entries under their keys, and who of them goes next.
//
// Owned by a coherence shard, which holds its mutex around every call; not thread-safe, not even
// its const members. Pure: the time is a parameter. Copying is deep and keeps the order of
// eviction; an empty store owns no memory.
//
// Every method is O(1), where the variants of a key (at most max_variants) count as one, except
// where it says otherwise. An Entry* is valid until the next call that is not const.
//
// Generations: an entry is dead once the generation it carries is not the one asked for. It stores
// only the low 8 bits; the high bits are the same for all residents, because a call with other
// high bits first frees everything (all of it dead). So a wrapped-around number cannot revive an
// entry. Generations only grow: a call with an earlier one than the latest seen finds nothing and
// keeps nothing.
//
// Expiry: exact at every look. Besides, each put frees some of what has expired or is of an older
// generation, and nothing that lives is evicted while the index knows of something dead.
//
// Limits: bytes() is what the allocator really gave for entries, index and policy. put() holds it
// at or below max_bytes by freeing what is dead, then what the eviction policy says; nothing else
// allocates. Blocks held only by pins are not counted.
#pragma once

#include "tiercache/l1/entry.hpp"
#include "tiercache/l1/index.hpp"
#include "tiercache/l1/policy.hpp"
#include "tiercache/l1/shares.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

namespace tiercache::l1 {

struct Limits {
  std::size_t max_bytes = 0;
  std::size_t max_entries = 0;  // 0 = no limit
  unsigned max_variants = 64;   // under one key
};

// The part of one of so many stores that share the limits: keys go to stores by their hash, which
// is as good as one store while each has a thousand entries or so.
inline Limits share(Limits whole, std::size_t stores) noexcept {
  whole.max_bytes /= stores;
  whole.max_entries = (whole.max_entries + stores - 1) / stores;
  return whole;
}
// How many stores may share the limit without a loss of hits. A power of two, at least 1.
inline std::size_t most_stores(const Limits& whole) noexcept {
  constexpr std::size_t kFewestEntries = 1000;
  return whole.max_entries == 0
             ? std::size_t{1} << 31
             : std::bit_floor(std::max(std::size_t{1}, whole.max_entries / kFewestEntries));
}

// Where an erase_if stands. It is a position among hashes, so it stays good whatever happens to the
// store between two steps: every entry that is present during the whole walk is looked at exactly
// once, one that comes or goes meanwhile at most once for each time it is put.
class Cursor {
 public:
  bool done() const noexcept {
    return at_ >= Index::kCursorEnd;
  }

 private:
  friend class Store;
  std::uint64_t at_ = 0;
};

class Store {
 public:
  // `shares`: who makes room first when the limits are reached; null: there are none.
  explicit Store(Limits limits, Eviction eviction = Eviction::lru,
                 std::shared_ptr<const Shares> shares = nullptr)
      : policy_(eviction, std::move(shares)), limits_(limits) {
  }
  Store(const Store& other);
  Store& operator=(const Store& other);
  Store(Store&& other) noexcept;
  Store& operator=(Store&& other) noexcept;
  ~Store();

  // A hit counts as a use. Null if absent, expired (now >= expire_at) or of another generation;
  // such an entry is freed on the way.
  Entry* find(const Key& key, const Variant& variant, Time now, std::uint64_t generation);
  // The same without a use and without freeing.
  const Entry* peek(const Key& key, const Variant& variant, Time now,
                    std::uint64_t generation) const;
  Entry* peek(const Key& key, const Variant& variant, Time now, std::uint64_t generation);
  // Calls f(Entry&) on every entry of exactly that key, dead ones too, the most recently used
  // first. f must not call the store.
  template <class F>
  void for_each_variant(const Key& key, F&& f) {
    index_.for_each(key.hash, [&](Entry& entry) {
      if (entry.matches(key.db, key.bytes)) {
        f(entry);
      }
    });
  }
  // Calls f(const Entry&) on every entry, dead ones too, in the order in which the policy would
  // let them go; with `lru` from the least to the most recently used. With shares class by class.
  // O(entries).
  template <class F>
  void for_each_lru(F&& f) const {
    policy_.for_each(f);
  }
  // The other way round, as long as f(const Entry&) says so: those first that the policy would keep
  // longest. O(those).
  template <class F>
  void while_hot(F&& f) const {
    policy_.while_hot(f);
  }

  // Stores a reply, in place of the same variant if there is one, which counts as a use, and evicts
  // until the limits hold, but not what it has just stored. Beyond max_variants under one hash the
  // least recently used of these goes. Null, and the same variant is gone, if the entry cannot be
  // kept: alone too large, over a limit of Entry's, expired already (at kept_deadline), or
  // meta.generation != generation. REQUIRES: meta.seq <= kMaxSeq, variant.command < 4096,
  // variant.resp <= 3; the views do not point into this store.
  Entry* put(const Key& key, const Variant& variant, std::string_view reply, const Meta& meta,
             Time now, std::uint64_t generation);

  // Frees every variant of every key with that hash; returns how many. Keys that collide with it in
  // the low 48 bits go too, which costs a miss, not the truth.
  std::size_t erase(KeyHash hash);
  // Frees one. REQUIRES: it is in this store.
  void erase(Entry* entry);
  void clear() noexcept;

  // Frees dead entries, and looks at about `look_at` to find them; returns how many. Those whose
  // time is over are known a millisecond later, those of an older generation are looked for.
  // put() does this too, a few at a time.
  std::size_t sweep(Time now, std::uint64_t generation, unsigned look_at);
  // One bounded step of a walk over all entries: looks at about `look_at` and frees those for which
  // pred(const Entry&) is true; returns how many. Call until cursor.done().
  template <class Pred>
  std::size_t erase_if(Cursor& cursor, unsigned look_at, Pred&& pred) {
    std::size_t erased = 0;
    for (unsigned looked = 0; looked < look_at && !cursor.done();) {
      looked += 1 + index_.visit(cursor.at_, [&](Entry* entry) {
        if (!pred(static_cast<const Entry&>(*entry))) {
          return true;
        }
        release(entry);
        ++erased;
        return false;
      });
    }
    free_if_empty();
    return erased;
  }

  // Calls f(Entry&) on the few residents that stand where that hash belongs, dead ones too:
  // a random number draws from the store at random, nearly evenly. Reads no entry by itself.
  template <class F>
  void glance(std::uint32_t at, F&& f) {
    index_.glance(at, [&](Entry* entry) { f(*entry); });
  }

  // Real allocated bytes of entries, index and policy.
  std::size_t bytes() const noexcept {
    return entry_bytes_ + index_.bytes() + policy_.bytes();
  }
  std::size_t entries() const noexcept {
    return index_.size();
  }
  // Living entries that went to make room, so far.
  std::uint64_t evictions() const noexcept {
    return evictions_;
  }
  // Entries freed because their time or their generation was over, so far.
  std::uint64_t expired() const noexcept {
    return expired_;
  }
  // What a class of `shares` has here; nothing if there are none. REQUIRES: there is that class.
  Account account(std::size_t index) const noexcept {
    const Accounts* accounts = policy_.accounts();
    return accounts == nullptr ? Account{} : accounts->of(index);
  }
  const Limits& limits() const noexcept {
    return limits_;
  }
  Eviction eviction() const noexcept {
    return policy_.eviction();
  }
  // Takes effect at the next put, which then may evict many at once; call sweep or erase_if to go
  // there in steps.
  void set_limits(Limits limits) noexcept {
    limits_ = limits;
  }

  bool alive(const Entry& entry, Time now, std::uint64_t generation) const noexcept {
    return now < entry.expire_at() && generation_of(entry) == generation;
  }
  std::uint64_t generation_of(const Entry& entry) const noexcept {
    return (generation_ >> Entry::kGenerationBits << Entry::kGenerationBits) |
           entry.generation_low();
  }

  // REQUIRES: the entry is in this store.
  Pin pin(Entry* entry);

  // For a pipelined batch: prefetch_slot for all its keys, then prefetch for all, then find.
  // prefetch_slot reads no entry and waits for no memory.
  void prefetch_slot(KeyHash hash) const noexcept {
    index_.prefetch_slot(hash);
  }
  void prefetch(KeyHash hash) const noexcept {
    index_.prefetch_entries(hash);
  }

 private:
  // What is about to be stored.
  struct Need {
    std::size_t bytes = 0;
    std::size_t entries = 0;
  };

  void adopt_generation(std::uint64_t generation) noexcept {
    if (generation != generation_) [[unlikely]] {
      change_generation(generation);
    }
  }
  void change_generation(std::uint64_t generation) noexcept;
  void release(Entry* entry) noexcept;  // from the order and the books; not from the index
  void drop(Entry* entry) noexcept;     // from everywhere
  void count_out(const Entry* entry, Time now, std::uint64_t generation) noexcept;
  // Frees until there is room, but not `kept`. False if there cannot be.
  bool make_room(Need need, const Entry* kept, Time now, std::uint64_t generation);
  bool too_many(Need need) const noexcept {
    return limits_.max_entries != 0 && entries() + need.entries > limits_.max_entries;
  }
  bool over_limits(Need need) const noexcept {
    return bytes() + need.bytes > limits_.max_bytes || too_many(need);
  }
  void free_if_empty() noexcept;

  Index index_;
  mutable Policy policy_;  // notes hits, and has to settle them before it can be read
  Limits limits_;
  std::size_t entry_bytes_ = 0;
  std::uint64_t generation_ = 0;  // the latest seen; its high bits are those of every resident
  std::uint64_t evictions_ = 0;
  std::uint64_t expired_ = 0;
};

}  // namespace tiercache::l1
