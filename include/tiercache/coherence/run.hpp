// A run: reads of one key each that follow each other in one session, looked up together. Each is
// judged by BasicShard::on_probe as if it came alone, in their order; what is shared is the look at
// the link's status, a shard's lock among neighbours, and the waits for memory.
//
// One View for all of a run is as good as one for each: it is loaded after all of them have arrived
// and before any is looked up, which is all that a hit asks of its View. An older one only refuses
// more.
//
// Thread-safe as the Cache is. A lock is held for up to kRunHeld look-ups and what the caller
// copies meanwhile, which is at most about a microsecond and kRunHeld small replies.
#pragma once

#include "tiercache/base/check.hpp"
#include "tiercache/coherence/cache.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace tiercache::coherence {

inline constexpr std::size_t kMostInRun = 32;
inline constexpr std::size_t kRunHeld = 16;

// What of a read differs from its neighbours'.
struct RunKey {
  KeyHash hash = 0;
  std::string_view bytes;
  Reach reach;
  Duration max_staleness = Duration::max();
};

// Where the Cache keeps a key: for Cache::with_shard.
template <Rules R>
unsigned shard_of(const BasicCache<R>& cache, KeyHash hash) noexcept {
  const auto bits = static_cast<unsigned>(std::countr_zero(cache.shards()));
  return bits == 0 ? 0 : static_cast<unsigned>(hash >> (64 - bits));
}

// Calls each(shard, key) on all of them, shard by shard, under one lock for all of a shard.
// REQUIRES: at most kMostInRun keys.
template <Rules R, class Each>
void by_shard(BasicCache<R>& cache, std::span<const RunKey> keys, Each&& each) {
  TC_CHECK(keys.size() <= kMostInRun);
  std::uint64_t left = (std::uint64_t{1} << keys.size()) - 1;
  while (left != 0) {
    const unsigned index =
        shard_of(cache, keys[static_cast<unsigned>(std::countr_zero(left))].hash);
    cache.with_shard(index, [&](BasicShard<R>& shard) {
      for (std::uint64_t rest = left; rest != 0; rest &= rest - 1) {
        const auto i = static_cast<unsigned>(std::countr_zero(rest));
        if (shard_of(cache, keys[i].hash) == index) {
          each(shard, keys[i]);
          left &= ~(std::uint64_t{1} << i);
        }
      }
    });
  }
}

// Starts to load what the run will look at, so that all waits for memory overlap, where there is
// more than the CPU's caches hold. Takes each shard's mutex twice. REQUIRES: as by_shard.
template <Rules R>
void prefetch(BasicCache<R>& cache, std::span<const RunKey> keys) {
  constexpr std::size_t kFew = 4;
  constexpr std::size_t kCached = std::size_t{256} << 10;  // of one shard
  if (keys.size() < kFew ||
      cache.with_shard(shard_of(cache, keys[0].hash),
                       [](BasicShard<R>& shard) { return shard.store().bytes() < kCached; })) {
    return;
  }
  by_shard(cache, keys,
           [](BasicShard<R>& shard, const RunKey& key) { shard.store().prefetch_slot(key.hash); });
  by_shard(cache, keys,
           [](BasicShard<R>& shard, const RunKey& key) { shard.store().prefetch(key.hash); });
}

// Hands out entries while all are hits: stops before the first read that is none, or whose entry
// `on_hit(const l1::Entry&)` will not take (false). Returns how many are answered. on_hit runs
// under the lock and only copies a small reply. `same` is what the reads have in common. REQUIRES:
// `view` was loaded after they had arrived.
template <Rules R, class OnHit>
std::size_t read_run(BasicCache<R>& cache, ReadAsk same, std::span<const RunKey> keys,
                     const View& view, Time now, OnHit&& on_hit) {
  std::size_t done = 0;
  bool hit = true;
  while (hit && done < keys.size()) {
    const unsigned index = shard_of(cache, keys[done].hash);
    const std::size_t end = std::min(keys.size(), done + kRunHeld);
    cache.with_shard(index, [&](BasicShard<R>& shard) {
      do {
        const RunKey& key = keys[done];
        same.key.hash = key.hash;
        same.key.bytes = key.bytes;
        same.reach = key.reach;
        same.max_staleness = key.max_staleness;
        const ReadOutcome outcome = shard.on_probe(same, view, now);
        hit = outcome.kind == ReadOutcome::Kind::hit && on_hit(std::as_const(*outcome.entry));
        done += hit ? 1U : 0U;
      } while (hit && done < end && shard_of(cache, keys[done].hash) == index);
    });
  }
  return done;
}

}  // namespace tiercache::coherence
