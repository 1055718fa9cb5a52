// The bodies of BasicCache. Included by cache.hpp only.
#pragma once

#include "tiercache/base/check.hpp"

#include <algorithm>
#include <bit>

namespace tiercache::coherence {

template <Rules R>
BasicCache<R>::BasicCache(const CacheConfig& config)
    : hasher_(config.seed),
      count_(config.shards),
      shift_(64 - static_cast<unsigned>(std::countr_zero(config.shards))) {
  TC_CHECK(std::has_single_bit(config.shards));
  ShardConfig part = config.shard;
  part.limits = l1::share(part.limits, config.shards);
  slots_.reserve(config.shards);
  for (unsigned i = 0; i < config.shards; i++) {
    slots_.emplace_back(part, config.shares);
  }
}

template <Rules R>
BasicCache<R>::BasicCache(const BasicCache& other) = default;

template <Rules R>
template <class OnPart>
MultiOutcome BasicCache<R>::multi(std::span<const Part> parts, std::uint64_t fenced_by, Time now,
                                  OnPart&& on_part) {
  // One View for all: every entry that is not newer than its PING shows the keyspace as of that
  // PING, whenever in this loop it is looked up.
  const View view = status_.view();
  MultiOutcome outcome;
  std::uint64_t needed = 0;
  for (const Part& part : parts) {
    Slot& at = slot(part.key.hash);
    MutexLock lock(at.mutex);
    if (!at.shard.fresh(view, now)) {
      return outcome;
    }
    const l1::Entry* entry = at.shard.on_multi_part(part.key, part.answers, view, now);
    if (entry == nullptr) {
      return outcome;
    }
    if (R.fence_each_hit && at.shard.config().max_staleness == Duration::zero() && fenced_by == 0) {
      needed = view.next_ping();
    }
    needed = std::max(needed, entry->seq());
    on_part(*entry);
  }
  if (!R.whole_multi || needed <= view.acked) {
    outcome.kind = MultiOutcome::Kind::hit;
  } else if (fenced_by == 0 && view.proof == Proof::stream) {
    outcome.kind = MultiOutcome::Kind::wait;
    outcome.ping = needed;
  }
  return outcome;
}

template <Rules R>
FlightId BasicCache<R>::begin_fill(const l1::Key& key, const l1::Variant& variant,
                                   const Place& place, Time now) {
  const View view = status_.view();
  return at(key.hash,
            [&](BasicShard<R>& shard) { return shard.begin_fill(key, variant, place, view, now); });
}

template <Rules R>
bool BasicCache<R>::reply(KeyHash hash, FlightId flight, const Fill& fill, Time now,
                          Waiters& waiters) {
  return at(hash, [&](BasicShard<R>& shard) {
    return shard.on_reply(hash, flight, fill, status_.view(), now, waiters);
  });
}

template <Rules R>
void BasicCache<R>::flight_lost(KeyHash hash, FlightId flight, Waiters& waiters) {
  at(hash, [&](BasicShard<R>& shard) {
    shard.on_flight_lost(hash, flight, waiters);
    note(shard, hash, Transition::lost);
  });
}

template <Rules R>
template <auto Method>
void BasicCache<R>::change(KeyHash hash, Transition what) {
  at(hash, [&](BasicShard<R>& shard) {
    (shard.*Method)(hash);
    note(shard, hash, what);
  });
}

template <Rules R>
void BasicCache<R>::event(KeyHash hash) {
  change<&BasicShard<R>::on_event>(hash, Transition::event);
}

template <Rules R>
void BasicCache<R>::write_begin(KeyHash hash) {
  change<&BasicShard<R>::on_write_begin>(hash, Transition::write_sent);
}

template <Rules R>
void BasicCache<R>::write_end(KeyHash hash) {
  change<&BasicShard<R>::on_write_end>(hash, Transition::write_answered);
}

template <Rules R>
void BasicCache<R>::blocking_write_reply(KeyHash hash) {
  change<&BasicShard<R>::on_blocking_write_reply>(hash, Transition::blocking_write);
}

template <Rules R>
void BasicCache<R>::pass_read(KeyHash hash) {
  change<&BasicShard<R>::on_pass_read>(hash, Transition::passed_read);
}

template <Rules R>
void BasicCache<R>::flush_begin() noexcept {
  // No rule: no promise is broken without it. It only ends early what is about to end.
  status_.bump_generation();
}

template <Rules R>
void BasicCache<R>::flush_end() noexcept {
  if (R.flush_at_reply) {
    status_.bump_generation();
  }
}

template <Rules R>
CacheTotals BasicCache<R>::totals() {
  CacheTotals sum;
  for_each_shard([&](BasicShard<R>& shard) {
    sum.entries += shard.store().entries();
    sum.bytes += shard.store().bytes();
    sum.evictions += shard.store().evictions();
    sum.expired += shard.store().expired();
    sum.refused += shard.refused();
    sum.invalidated += shard.invalidated();
    sum.flights += shard.flights();
  });
  return sum;
}

}  // namespace tiercache::coherence
