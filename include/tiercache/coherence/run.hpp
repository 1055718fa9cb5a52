// A run: reads of one key each that follow each other in one session, looked up together. Each is
// judged by BasicShard::on_probe as if it came alone, in their order; what is shared is the look at
// the link's status, a shard's lock among neighbours, and the waits for memory.
//
// One View of a cache for all of a run is as good as one for each: it is loaded after all of them
// have arrived and before any is looked up, which is all that a hit asks of its View. An older one
// only refuses more.
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

// Where keys of a run are kept. Over a Cluster each node's keys have a cache of their own.
template <Rules R = Rules{}>
struct BasicRunSide {
  BasicCache<R>* cache = nullptr;
  View view;
};
using RunSide = BasicRunSide<>;

// What of a read differs from its neighbours'.
struct RunKey {
  KeyHash hash = 0;
  std::string_view bytes;
  Reach reach;
  Duration max_staleness = Duration::max();
  std::uint32_t side = 0;  // of those of its run
};

// A shard of a side.
struct RunPlace {
  std::uint32_t side = 0;
  unsigned shard = 0;  // for Cache::with_shard
  bool operator==(const RunPlace&) const = default;
};

template <Rules R>
RunPlace place_of(std::span<const BasicRunSide<R>> sides, const RunKey& key) noexcept {
  const auto bits = static_cast<unsigned>(std::countr_zero(sides[key.side].cache->shards()));
  return {key.side, bits == 0 ? 0 : static_cast<unsigned>(key.hash >> (64 - bits))};
}

// Calls each(shard, key) on all of them, shard by shard, under one lock for all of a shard.
// REQUIRES: at most kMostInRun keys.
template <Rules R, class Each>
void by_shard(std::span<const BasicRunSide<R>> sides, std::span<const RunKey> keys, Each&& each) {
  TC_CHECK(keys.size() <= kMostInRun);
  std::uint64_t left = (std::uint64_t{1} << keys.size()) - 1;
  while (left != 0) {
    const RunPlace place = place_of(sides, keys[static_cast<unsigned>(std::countr_zero(left))]);
    sides[place.side].cache->with_shard(place.shard, [&](BasicShard<R>& shard) {
      for (std::uint64_t rest = left; rest != 0; rest &= rest - 1) {
        const auto i = static_cast<unsigned>(std::countr_zero(rest));
        if (place_of(sides, keys[i]) == place) {
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
void prefetch(std::span<const BasicRunSide<R>> sides, std::span<const RunKey> keys) {
  constexpr std::size_t kFew = 4;
  constexpr std::size_t kCached = std::size_t{256} << 10;  // of one shard
  if (keys.size() < kFew) {
    return;
  }
  const RunPlace place = place_of(sides, keys[0]);
  if (sides[place.side].cache->with_shard(
          place.shard, [](BasicShard<R>& shard) { return shard.store().bytes() < kCached; })) {
    return;
  }
  by_shard(sides, keys,
           [](BasicShard<R>& shard, const RunKey& key) { shard.store().prefetch_slot(key.hash); });
  by_shard(sides, keys,
           [](BasicShard<R>& shard, const RunKey& key) { shard.store().prefetch(key.hash); });
}

// Hands out entries while all are hits: stops before the first read that is none, or whose entry
// `on_hit(const l1::Entry&)` will not take (false). Returns how many are answered. on_hit runs
// under the lock and only copies a small reply. `same` is what the reads have in common. REQUIRES:
// the sides' views were loaded after they had arrived.
template <Rules R, class OnHit>
std::size_t read_run(std::span<const BasicRunSide<R>> sides, ReadAsk same,
                     std::span<const RunKey> keys, Time now, OnHit&& on_hit) {
  std::size_t done = 0;
  bool hit = true;
  while (hit && done < keys.size()) {
    const RunPlace place = place_of(sides, keys[done]);
    const BasicRunSide<R>& side = sides[place.side];
    const std::size_t end = std::min(keys.size(), done + kRunHeld);
    side.cache->with_shard(place.shard, [&](BasicShard<R>& shard) {
      do {
        const RunKey& key = keys[done];
        same.key.hash = key.hash;
        same.key.bytes = key.bytes;
        same.reach = key.reach;
        same.max_staleness = key.max_staleness;
        const ReadOutcome outcome = shard.on_probe(same, side.view, now);
        hit = outcome.kind == ReadOutcome::Kind::hit && on_hit(std::as_const(*outcome.entry));
        done += hit ? 1U : 0U;
      } while (hit && done < end && place_of(sides, keys[done]) == place);
    });
  }
  return done;
}

}  // namespace tiercache::coherence
