// The bodies of BasicShard, apart from its contract. Included by shard.hpp only; the product uses
// the one instantiation in src/coherence/shard.cpp.
#pragma once

#include "tiercache/base/check.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::coherence {

template <Rules R>
BasicShard<R>::BasicShard(const ShardConfig& config, std::shared_ptr<const l1::Shares> shares)
    : config_(config),
      store_(config.limits, config.eviction, std::move(shares)),
      stripes_(config.stripes) {
  TC_CHECK(config.stripes > 0 && (config.stripes & (config.stripes - 1)) == 0);
  trace_.resize(config.trace);
}

template <Rules R>
bool BasicShard<R>::may_join(const Flight& flight, const ReadAsk& ask, const View& view,
                             Time now) const noexcept {
  // Its reply may be as old as its send: too old for the bound, or from before an expiry, of which
  // no event tells in time.
  const Duration bound = std::min({config_.max_staleness, ask.max_staleness, config_.join_within});
  if (R.bound_join && (bound == Duration::zero() || now - flight.sent_at > bound)) {
    return false;
  }
  if (!flight.joinable || flight.fenced || flight.place.user != ask.place.user ||
      (R.check_generation && flight.generation != view.generation)) {
    return false;
  }
  if (R.epoch_join && !unchanged(flight, stripe(ask.key.hash))) {
    return false;
  }
  if (ask.reach.look == Look::own &&
      (flight.place.link != ask.place.link || flight.place.seq < ask.reach.newest_read)) {
    return false;
  }
  return flight.db == ask.key.db && flight.command == ask.answers.front().command &&
         flight.resp == ask.answers.front().resp && flight.key() == ask.key.bytes &&
         flight.args() == ask.answers.front().args;
}

template <Rules R>
bool BasicShard<R>::fresh(const View& view, Time now, Duration at_most) const noexcept {
  if (R.live_only && view.state != LinkState::live) {
    return false;
  }
  const Duration bound = std::min(config_.max_staleness, at_most);
  if (view.proof == Proof::age) {
    return bound > Duration::zero();
  }
  return !R.bound_staleness || bound == Duration::zero() || now - view.acked_at <= bound;
}

template <Rules R>
ReadOutcome BasicShard<R>::on_probe(const ReadAsk& ask, const View& view, Time now) {
  ReadOutcome outcome;
  if (ask.reach.look != Look::all || !fresh(view, now, ask.max_staleness)) {
    return outcome;
  }
  l1::Entry* entry = on_multi_part(ask.key, ask.answers, view, now);
  if (entry == nullptr) {
    return outcome;
  }
  const bool unproven = (entry->fenced() || ask.settled) && entry->seq() > view.acked;
  const bool each =
      R.fence_each_hit && std::min(config_.max_staleness, ask.max_staleness) == Duration::zero();
  if (ask.fenced_by == 0 && (unproven || each)) {
    if (view.proof == Proof::stream) {
      outcome.kind = ReadOutcome::Kind::wait;
      // The PING that proves the entry may have been sent before this read came.
      outcome.ping = each ? view.next_ping() : entry->seq();
    }
  } else if (!unproven) {  // else fenced anew while it waited: upstream, not for ever
    outcome.kind = ReadOutcome::Kind::hit;
    outcome.entry = entry;
  }
  return outcome;
}

template <Rules R>
ReadOutcome BasicShard<R>::on_read(const ReadAsk& ask, const View& view, Time now) {
  ReadOutcome outcome = on_probe(ask, view, now);
  if (outcome.kind != ReadOutcome::Kind::none) {
    return outcome;
  }
  if (ask.reach.look != Look::none) {
    // The newest first: with Look::own only the latest may be new enough.
    flights_.until(ask.key.hash, [&](Flight& flight) {
      if (!may_join(flight, ask, view, now)) {
        return false;
      }
      flight.waiters.push_back(ask.waiter);
      outcome.kind = ReadOutcome::Kind::joined;
      outcome.flight = flight.id;
      outcome.flight_seq = flight.place.seq;
      outcome.foreign = flight.place.link != ask.place.link;
      return true;
    });
    if (outcome.kind == ReadOutcome::Kind::joined) {
      return outcome;
    }
  }
  Flight& flight = start(ask.key, ask.answers.front(), ask.place, view, now);
  flight.waiters.push_back(ask.waiter);
  outcome.kind = ReadOutcome::Kind::send;
  outcome.flight = flight.id;
  outcome.flight_seq = ask.place.seq;
  return outcome;
}

template <Rules R>
l1::Entry* BasicShard<R>::on_multi_part(const l1::Key& key, std::span<const l1::Variant> answers,
                                        const View& view, Time now) {
  for (const l1::Variant& variant : answers) {
    if (l1::Entry* entry =
            store_.find(key, variant, R.expire_entries ? now : Time{}, generation(view))) {
      return entry;
    }
  }
  return nullptr;
}

template <Rules R>
Flight& BasicShard<R>::start(const l1::Key& key, const l1::Variant& variant, const Place& place,
                             const View& view, Time now) {
  Flight& flight = flights_.start(key.hash);
  flight.place = place;
  flight.epoch = stripe(key.hash).epoch;
  flight.generation = generation(view);
  flight.sent_at = now;
  flight.db = key.db;
  flight.command = variant.command;
  flight.resp = variant.resp;
  flight.set_name(key.bytes, variant.args);
  note(Transition::begun, key.hash, view, now);
  return flight;
}

template <Rules R>
FlightId BasicShard<R>::begin_fill(const l1::Key& key, const l1::Variant& variant,
                                   const Place& place, const View& view, Time now) {
  Flight& flight = start(key, variant, place, view, now);
  flight.joinable = false;
  return flight.id;
}

template <Rules R>
Flight& BasicShard<R>::flight_of(KeyHash hash, FlightId id) {
  Flight* flight = flights_.find(hash, id);
  TC_CHECK(flight != nullptr);
  return *flight;
}

template <Rules R>
bool BasicShard<R>::may_commit(KeyHash hash, const Flight& flight, const Fill& fill,
                               const View& view) const noexcept {
  if (!fill.cacheable || (R.live_only && view.state != LinkState::live)) {
    return false;
  }
  if (R.flight_identity && !unchanged(flight, stripe(hash))) {
    return false;
  }
  if (R.check_generation && flight.generation != view.generation) {
    return false;
  }
  if (R.same_source && fill.source != view.source) {
    return false;  // another server process than the one whose events we hear
  }
  if (fill.sole && flight.fenced) {
    return false;  // what another link has shown since may be newer
  }
  // The key came or went between the read and its PTTL.
  return !R.pttl_agrees || fill.missing == (fill.pttl_ms == -2);
}

template <Rules R>
void BasicShard<R>::commit(KeyHash hash, const Flight& flight, const Fill& fill, const View& view,
                           Time now) {
  // Redis evaluated PTTL after the send, so counting from there the entry dies early, never late.
  const Time from = R.ttl_from_send ? flight.sent_at : now;
  l1::Meta meta;
  meta.generation = flight.generation;
  meta.seq = view.next_ping();
  meta.fenced = flight.fenced;
  meta.negative = fill.missing;
  const auto longest = [&](Duration asked, Duration configured) {
    return cap(asked == Fill::kAsConfigured ? configured : asked, view);
  };
  if (fill.missing) {
    meta.ttl = l1::Ttl::missing;
    meta.expire_at = from + longest(fill.negative_ttl, config_.negative_ttl);
  } else if (fill.pttl_ms < 0) {
    meta.ttl = l1::Ttl::none;
    meta.expire_at = from + longest(fill.max_ttl, config_.max_ttl);
  } else {
    const Duration limit = longest(fill.max_ttl, config_.max_ttl);
    const bool capped = fill.pttl_ms >= limit / std::chrono::milliseconds(1);
    const Duration left = capped ? limit : Duration(std::chrono::milliseconds(fill.pttl_ms));
    const bool exact = !capped && now - flight.sent_at <= config_.exact_within;
    meta.ttl = exact ? l1::Ttl::exact : l1::Ttl::capped;
    meta.expire_at = from + left;
  }
  const l1::Key key{hash, flight.db, flight.key()};
  const std::uint16_t command = fill.stored_as == Fill::kAsAsked ? flight.command : fill.stored_as;
  const l1::Variant variant{command, flight.resp, flight.args()};
  store_.put(key, variant, fill.reply, meta, now, generation(view));
}

// What other links brought, or will bring, of this key may be older than the reply now delivered.
// A PING sent from here on is answered after the events of every write the reply can show.
template <Rules R>
void BasicShard<R>::fence_others(KeyHash hash, const Flight& delivered, const View& view,
                                 Time now) {
  if (!R.fence_other_links) {
    return;
  }
  bool any = false;
  store_.for_each_variant(l1::Key{hash, delivered.db, delivered.key()}, [&](l1::Entry& entry) {
    entry.set_fence(view.next_ping());
    any = true;
  });
  if (any) {
    note(Transition::fenced, hash, view, now);
  }
  flights_.for_each(hash, [&](Flight& flight) {
    flight.fenced = flight.fenced || flight.place.link != delivered.place.link;
  });
}

template <Rules R>
bool BasicShard<R>::on_reply(KeyHash hash, FlightId id, const Fill& fill, const View& view,
                             Time now, Waiters& waiters) {
  Flight& flight = flight_of(hash, id);
  waiters.insert(waiters.end(), flight.waiters.begin(), flight.waiters.end());
  const bool kept = may_commit(hash, flight, fill, view);
  if (!kept) {
    refused_++;
  }
  if (kept ? fill.sole : R.drop_uncommitted) {
    overtake(hash);
  }
  if (kept && !fill.sole) {
    fence_others(hash, flight, view, now);
  }
  if (kept) {
    commit(hash, flight, fill, view, now);
  }
  flights_.end(hash, flight);
  note(kept ? Transition::committed : Transition::refused, hash, view, now);
  return kept;
}

template <Rules R>
void BasicShard<R>::on_flight_lost(KeyHash hash, FlightId id, Waiters& waiters) {
  Flight& flight = flight_of(hash, id);
  waiters.insert(waiters.end(), flight.waiters.begin(), flight.waiters.end());
  flights_.end(hash, flight);
}

template <Rules R>
void BasicShard<R>::on_event(KeyHash hash) {
  stripe(hash).changes++;
  if (R.apply_events) {
    advance(hash);
  }
}

template <Rules R>
void BasicShard<R>::on_write_begin(KeyHash hash) {
  stripe(hash).changes++;
  if (R.bar_at_send) {
    stripe(hash).writes_pending++;
    advance(hash);
  }
}

template <Rules R>
void BasicShard<R>::on_write_end(KeyHash hash) {
  stripe(hash).changes++;
  if (R.bar_at_send) {
    Stripe& at = stripe(hash);
    TC_CHECK(at.writes_pending > 0);
    at.writes_pending--;
  }
  if (R.bar_at_reply) {
    advance(hash);
  }
}

template <Rules R>
void BasicShard<R>::on_blocking_write_reply(KeyHash hash) {
  stripe(hash).changes++;
  if (R.bar_blocking_reply) {
    advance(hash);
  }
}

template <Rules R>
void BasicShard<R>::on_pass_read(KeyHash hash) {
  if (R.drop_pass_read) {
    overtake(hash);
  }
}

template <Rules R>
template <class Sink>
void BasicShard<R>::digest(Sink&& sink, const View& view) {
  for (const Stripe& at : stripes_) {
    sink(at.writes_pending);
  }
  store_.for_each_lru([&](const l1::Entry& entry) {
    sink(entry.key());
    sink(entry.reply().body());
    sink(entry.variant().command);
    sink(std::uint64_t{store_.generation_of(entry) == generation(view)});
    sink(static_cast<std::uint64_t>(entry.expire_at().time_since_epoch().count()));
    sink(std::uint64_t{entry.fenced()});
    sink(entry.seq() > view.acked ? entry.seq() - view.acked : 0);
  });
  // Flights in the order they were started: their ids grow.
  std::vector<std::pair<KeyHash, const Flight*>> all;
  flights_.for_each([&](KeyHash hash, const Flight& flight) { all.emplace_back(hash, &flight); });
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.second->id < b.second->id; });
  for (const auto& [hash, flight] : all) {
    sink(hash);
    sink(std::uint64_t{flight->command});
    sink(flight->place.link << 32 | flight->place.seq);
    sink(std::uint64_t{flight->epoch == stripe(hash).epoch});
    sink(std::uint64_t{flight->generation == generation(view)});
    sink(std::uint64_t{flight->fenced});
    sink(std::uint64_t{flight->joinable});
    sink(static_cast<std::uint64_t>(flight->sent_at.time_since_epoch().count()));
    for (const Waiter waiter : flight->waiters) {
      sink(waiter);
    }
  }
}

}  // namespace tiercache::coherence
