// L1 as the rest of the proxy sees it: the shards, their mutexes, and the event link's status.
// Thread-safe. Each call takes one shard's mutex for tens of nanoseconds; nothing here does I/O.
//
// The order that the protocol needs is kept here: a View is loaded before a shard is looked into
// for a hit, and inside the lock for a commit.
#pragma once

#include "tiercache/base/hash.hpp"
#include "tiercache/base/mutex.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/coherence/link_status.hpp"
#include "tiercache/coherence/shard.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace tiercache::coherence {

struct CacheConfig {
  ShardConfig shard;       // limits are for the whole cache; each shard gets its part
  unsigned shards = 1;     // a power of two
  std::uint64_t seed = 0;  // of the key hash; random in production
  std::shared_ptr<const l1::Shares> shares = {};  // each shard's, of its part; null: there are none
};

// One key of a read of several.
struct Part {
  l1::Key key;
  std::span<const l1::Variant> answers;
};

struct MultiOutcome {
  enum class Kind : std::uint8_t {
    hit,   // every part was handed out
    wait,  // ask again when `ping` is acknowledged
    miss,  // send the whole command upstream
  };
  Kind kind = Kind::miss;
  std::uint64_t ping = 0;
};

struct CacheTotals {
  std::size_t entries = 0;
  std::size_t bytes = 0;
  std::uint64_t evictions = 0;
  std::uint64_t expired = 0;
  std::uint64_t refused = 0;
  std::uint64_t invalidated = 0;
  std::size_t flights = 0;
};

template <Rules R = Rules{}>
class BasicCache {
 public:
  explicit BasicCache(const CacheConfig& config);
  // A deep copy, for tests that copy whole worlds.
  BasicCache(const BasicCache& other);

  LinkStatus& status() noexcept {
    return status_;
  }
  const LinkStatus& status() const noexcept {
    return status_;
  }
  KeyHash hash(std::uint32_t db, std::string_view key) const noexcept {
    return hasher_(db, key);
  }

  // `on_hit(const l1::Entry&)` runs under the lock and only copies a small reply. If it returns
  // true the outcome's `pin` holds the entry's bytes, for a large one to be copied afterwards.
  template <class OnHit>
  ReadOutcome read(const ReadAsk& ask, Time now, OnHit&& on_hit) {
    return locked(ask, now, on_hit, &BasicShard<R>::on_read);
  }
  // Like read, but starts and joins nothing.
  template <class OnHit>
  ReadOutcome probe(const ReadAsk& ask, Time now, OnHit&& on_hit) {
    return locked(ask, now, on_hit, &BasicShard<R>::on_probe);
  }

  // Several keys, all or none. `on_part(const l1::Entry&)` runs for the parts in order while all
  // is well; on wait and miss the caller throws away what it got. `fenced_by` as in ReadAsk.
  template <class OnPart>
  MultiOutcome multi(std::span<const Part> parts, std::uint64_t fenced_by, Time now,
                     OnPart&& on_part);

  FlightId begin_fill(const l1::Key& key, const l1::Variant& variant, const Place& place, Time now);
  bool reply(KeyHash hash, FlightId flight, const Fill& fill, Time now, Waiters& waiters);
  void flight_lost(KeyHash hash, FlightId flight, Waiters& waiters);

  void event(KeyHash hash);
  void write_begin(KeyHash hash);
  void write_end(KeyHash hash);
  void blocking_write_reply(KeyHash hash);
  void pass_read(KeyHash hash);
  std::uint32_t changes(KeyHash hash) {
    return at(hash, [&](BasicShard<R>& shard) { return shard.changes(hash); });
  }
  // FLUSHALL, FLUSHDB, SWAPDB through the proxy: before the send, and at the reply.
  void flush_begin() noexcept;
  void flush_end() noexcept;

  // Administration. `each(BasicShard<R>&)` runs under one shard's lock at a time.
  template <class Each>
  void for_each_shard(Each&& each) {
    for (unsigned i = 0; i < count_; i++) {
      MutexLock lock(slots_[i].mutex);
      each(slots_[i].shard);
    }
  }
  unsigned shards() const noexcept {
    return count_;
  }
  template <class Use>
  auto with_shard(unsigned index, Use&& use) {
    MutexLock lock(slots_[index].mutex);
    return use(slots_[index].shard);
  }
  CacheTotals totals();

 private:
  struct alignas(64) Slot {
    Mutex mutex;
    BasicShard<R> shard TC_GUARDED_BY(mutex);

    Slot(const ShardConfig& config, const std::shared_ptr<const l1::Shares>& shares)
        : shard(config, shares) {
    }
    Slot(const Slot& other) : shard(other.shard) {
    }
  };

  // The high bits: the store's index and the stripes use lower ones.
  Slot& slot(KeyHash hash) noexcept {
    return slots_[count_ == 1 ? 0 : hash >> shift_];
  }

  template <class Use>
  auto at(KeyHash hash, Use&& use) {
    Slot& found = slot(hash);
    MutexLock lock(found.mutex);
    return use(found.shard);
  }
  template <auto Method>
  void change(KeyHash hash, Transition what);
  // Under the shard's lock.
  void note(BasicShard<R>& shard, KeyHash hash, Transition what) const noexcept {
    if (shard.trace().on()) [[unlikely]] {
      const View view = status_.view();
      shard.note(what, hash, view, view.acked_at);
    }
  }

  template <class OnHit, class Method>
  ReadOutcome locked(const ReadAsk& ask, Time now, OnHit&& on_hit, Method method) {
    const View view = status_.view();
    Slot& at = slot(ask.key.hash);
    MutexLock lock(at.mutex);
    ReadOutcome outcome = (at.shard.*method)(ask, view, now);
    if (outcome.kind == ReadOutcome::Kind::hit) {
      if constexpr (std::is_same_v<std::invoke_result_t<OnHit, const l1::Entry&>, bool>) {
        if (on_hit(std::as_const(*outcome.entry))) {
          outcome.pin = at.shard.store().pin(outcome.entry);
        }
      } else {
        on_hit(std::as_const(*outcome.entry));
      }
      outcome.entry = nullptr;
    }
    return outcome;
  }

  LinkStatus status_;
  KeyHasher hasher_;
  unsigned count_;
  unsigned shift_;
  std::vector<Slot> slots_;
};

using Cache = BasicCache<>;
extern template class BasicCache<Rules{}>;

}  // namespace tiercache::coherence

#include "tiercache/coherence/cache_impl.hpp"
