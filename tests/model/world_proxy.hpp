// World, the part that plays the proxy's shell and its clients: it does with the coherence classes
// what src/proxy does. Included by world.hpp only.
#pragma once

#include <algorithm>

namespace model {

inline constexpr std::uint16_t kGet = 1;
inline constexpr std::uint16_t kOther = 2;

template <Rules R>
World<R>::World(const Script& script)
    : script_(&script),
      has_ttl_(script.expires),
      failovers_(script.failovers),
      deafenings_(script.deafenings),
      swaps_(script.swaps),
      canaries_(script.with_canary() ? 1 : 0),
      direct_a_(script.direct_a),
      direct_both_(script.direct_both),
      direct_flush_(script.direct_flush),
      event_losses_(script.event_losses),
      data_losses_(script.data_losses),
      heartbeats_(script.heartbeats),
      cache_([&script] {
        coherence::CacheConfig config;
        config.shard.limits.max_bytes = 1 << 20;
        config.shard.stripes = script.stripes;
        if (script.every_hit_fenced) {
          config.shard.max_staleness = Duration::zero();
        }
        if (script.short_staleness) {
          config.shard.max_staleness = std::chrono::milliseconds(1);
        }
        if (script.expires) {
          config.shard.join_within = std::chrono::microseconds(500);
        }
        return config;
      }()),
      event_link_([&script] {
        coherence::EventLinkConfig config;
        config.canary = script.with_canary();
        config.canary_interval = Duration::zero();
        config.proof = script.age ? coherence::Proof::age : coherence::Proof::stream;
        config.pings_per_fence = script.tracking ? 2 : 1;
        return config;
      }()) {
  links_.resize(2 + script.sessions.size());
  for (Link& link : links_) {
    link.id = next_link_++;
  }
  clients_.resize(script.sessions.size());
  mail_.resize(clients_.size());
  for (unsigned i = 0; i < clients_.size(); i++) {
    clients_[i].link = static_cast<std::uint8_t>(thread_of(i));
  }
  // Start live, with the first fence acknowledged: the interesting part begins there.
  coherence::EventLinkActions actions;
  event_link_.on_subscribed(1, now(), cache_.status(), actions);
  if (actions.write_canary) {
    event_link_.on_canary_written(false, now(), cache_.status(), actions);
    event_link_.on_canary_event();
  }
  while (!actions.pings.empty()) {
    const std::uint64_t ping = actions.pings.front();
    actions.clear();
    event_link_.on_pong(ping, now(), cache_.status(), actions);
  }
  at_ping_ = {{cache_.status().view().acked, versions_}};
}

template <Rules R>
l1::Key World<R>::key(unsigned index) const {
  static constexpr std::array<std::string_view, kKeys> kNames{"a", "c"};
  return {cache_.hash(0, kNames[index]), 0, kNames[index]};
}

template <Rules R>
typename World<R>::Op* World<R>::find(unsigned client, std::uint8_t index) {
  for (Op& op : clients_[client].ops) {
    if (op.index == index) {
      return &op;
    }
  }
  return nullptr;
}

template <Rules R>
void World<R>::obey(const coherence::EventLinkActions& actions) {
  if (actions.close) {
    lose_feed(true);
    return;
  }
  if (actions.write_canary) {
    canary_ = Canary::sent;
  }
  while (at_ping_.size() > 1 && at_ping_[1].first <= cache_.status().view().acked) {
    pop_front(at_ping_);
  }
  for (const std::uint64_t ping : actions.pings) {
    const std::uint64_t fence = ping / (script_->tracking ? 2 : 1);
    if (at_ping_.empty() || at_ping_.back().first < fence) {
      at_ping_.emplace_back(fence, versions_);
    }
    if (feed_ == Feed::up) {
      pings_.push_back(ping);
    }
  }
}

template <Rules R>
void World<R>::need_ping(std::uint64_t ping) {
  coherence::EventLinkActions actions;
  event_link_.request(ping, now(), cache_.status(), actions);
  obey(actions);
}

template <Rules R>
void World<R>::issue(unsigned client) {
  Client& c = clients_[client];
  Op& op = c.ops.emplace_back();
  op.index = c.next;
  op.letter = script_->sessions[client][c.next++];
  op.floor = delivered_;
  op.current = versions_;
  dispatch(client, op, 0);
  drain(client);
}

template <Rules R>
void World<R>::send(unsigned client, Op& op, Request request) {
  Client& c = clients_[client];
  Link& link = links_[c.link];
  request.letter = op.letter;
  request.client = static_cast<std::uint8_t>(client);
  request.op = op.index;
  link.sent++;
  link.requests.push_back(request);
  c.order.on_owed();
}

template <Rules R>
void World<R>::dispatch(unsigned client, Op& op, std::uint64_t fenced_by) {
  Client& c = clients_[client];
  const bool l1 = !c.pinned || !R.watch_bypasses;
  switch (op.letter) {
    case 'R':
    case 'r':
    case 'Q':
      if (l1) {
        read_one(client, op, op.letter == 'r' ? 1 : 0, op.letter == 'Q' ? kOther : kGet, fenced_by);
        return;
      }
      break;
    case 'M':
      if (l1) {
        read_both(client, op, fenced_by);
        return;
      }
      break;
    case 'X':
      if (!c.order.may_move()) {
        c.moving = true;
        return;
      }
      c.moving = false;
      c.pinned = true;
      c.watched_read = false;
      c.link = static_cast<std::uint8_t>(2 + client);
      c.order.on_moved();
      c.order.set_upstream_only(true);
      break;
    case 'W':
    case 'E':
      cache_.write_begin(key(0).hash);
      break;
    case 'w':
      cache_.write_begin(key(1).hash);
      break;
    case 'N':
      cache_.write_begin(key(0).hash);
      cache_.write_begin(key(1).hash);
      break;
    case 'L':
      c.order.on_wide_write_sent();
      break;
    case 'F':
      cache_.flush_begin();
      c.order.on_wide_write_sent();
      break;
    default:
      break;
  }
  if (op.letter == 'P' || op.letter == 'R' || op.letter == 'Q' || op.letter == 'M') {
    c.order.on_read_sent(key(0).hash, links_[c.link].sent + 1);
    op.reads |= 1;
  }
  if (op.letter == 'r' || op.letter == 'M') {
    c.order.on_read_sent(key(1).hash, links_[c.link].sent + 1);
    op.reads |= 2;
  }
  send(client, op, {});
}

template <Rules R>
void World<R>::read_one(unsigned client, Op& op, unsigned index, std::uint16_t command,
                        std::uint64_t fenced_by) {
  Client& c = clients_[client];
  const Link& link = links_[c.link];
  const l1::Variant variant{command, 0, {}};
  coherence::ReadAsk ask;
  ask.key = key(index);
  ask.answers = {&variant, 1};
  ask.reach = c.order.reach(ask.key.hash, cache_.status().view());
  ask.place = {link.id, link.sent + 1, 1};
  ask.fenced_by = fenced_by;
  ask.waiter = client * 64U + op.index;
  std::uint8_t value = 0;
  // As a session does with a GET behind which nothing waits: first as one of a run.
  coherence::ReadOutcome outcome;
  if (c.ops.size() == 1 && fenced_by == 0) {
    const coherence::View view = cache_.status().view();
    const coherence::BasicRunSide<R> side{&cache_, view};
    const coherence::RunKey one{ask.key.hash, ask.key.bytes, c.order.reach(ask.key.hash, view)};
    coherence::ReadAsk same;
    same.answers = ask.answers;
    if (coherence::read_run(std::span(&side, 1), same, std::span(&one, 1), now(),
                            [&value](const l1::Entry& entry) {
                              value = version_of(entry.reply().body());
                              return true;
                            }) == 1) {
      outcome.kind = coherence::ReadOutcome::Kind::hit;
    }
  }
  if (outcome.kind == coherence::ReadOutcome::Kind::none) {
    outcome = cache_.read(
        ask, now(), [&value](const l1::Entry& entry) { value = version_of(entry.reply().body()); });
  }
  using Outcome = coherence::ReadOutcome::Kind;
  switch (outcome.kind) {
    case Outcome::hit:
      check_hit(op, index, value);
      op.mask = static_cast<std::uint8_t>(1U << index);
      op.value[index] = value;
      op.ready = true;
      return;
    case Outcome::wait:
      c.wait_ping = outcome.ping;
      need_ping(outcome.ping);
      return;
    case Outcome::joined:
      c.order.on_read_sent(ask.key.hash, outcome.foreign ? 0 : outcome.flight_seq);
      c.order.on_owed();
      op.reads = static_cast<std::uint8_t>(1U << index);
      c.foreign_wait = outcome.foreign && R.stall_on_foreign_join;
      if (script_->every_hit_fenced) {
        op.least[index] = op.current[index];
      } else if (script_->short_staleness && time_ >= 2) {
        op.least[index] = ended_[time_ - 2U][index];
      }
      if (index == 0) {
        op.least[0] = std::max(op.least[0], expiry_version_);
      }
      return;
    case Outcome::send: {
      c.order.on_read_sent(ask.key.hash, ask.place.seq);
      op.reads = static_cast<std::uint8_t>(1U << index);
      Request request;
      request.flights[index] = outcome.flight;
      send(client, op, request);
      return;
    }
    case Outcome::none:
      fail("NO-OUTCOME");
      return;
  }
}

template <Rules R>
void World<R>::read_both(unsigned client, Op& op, std::uint64_t fenced_by) {
  Client& c = clients_[client];
  const Link& link = links_[c.link];
  const l1::Variant variant{kGet, 0, {}};
  const std::array<coherence::Part, kKeys> parts{
      {{key(0), {&variant, 1}}, {key(1), {&variant, 1}}}};
  const coherence::View view = cache_.status().view();
  const bool all = c.order.reach(parts[0].key.hash, view).look == coherence::Look::all &&
                   c.order.reach(parts[1].key.hash, view).look == coherence::Look::all;
  if (all) {
    Versions value{};
    unsigned count = 0;
    const auto outcome =
        cache_.multi(parts, fenced_by, now(), [&value, &count](const l1::Entry& entry) {
          value[count++] = version_of(entry.reply().body());
        });
    using Outcome = coherence::MultiOutcome::Kind;
    if (outcome.kind == Outcome::hit) {
      check_hit(op, 0, value[0]);
      check_hit(op, 1, value[1]);
      op.mask = 3;
      op.value = value;
      op.ready = true;
      return;
    }
    if (outcome.kind == Outcome::wait) {
      c.wait_ping = outcome.ping;
      need_ping(outcome.ping);
      return;
    }
  }
  Request request;
  if (!R.undivided_multi) {
    read_divided(client, op, request);
    return;
  }
  for (unsigned k = 0; k < kKeys; k++) {
    request.flights[k] =
        cache_.begin_fill(parts[k].key, variant, {link.id, link.sent + 1, 1}, now());
    c.order.on_read_sent(parts[k].key.hash, link.sent + 1);
  }
  op.reads = 3;
  send(client, op, request);
}

// What must not be done: what L1 has is taken, and only the rest is asked for.
template <Rules R>
void World<R>::read_divided(unsigned client, Op& op, Request& request) {
  Client& c = clients_[client];
  const Link& link = links_[c.link];
  const l1::Variant variant{kGet, 0, {}};
  for (unsigned k = 0; k < kKeys; k++) {
    coherence::ReadAsk ask;
    ask.key = key(k);
    ask.answers = {&variant, 1};
    ask.reach = c.order.reach(ask.key.hash, cache_.status().view());
    const auto outcome = cache_.probe(ask, now(), [&op, k](const l1::Entry& entry) {
      op.value[k] = version_of(entry.reply().body());
    });
    if (outcome.kind != coherence::ReadOutcome::Kind::hit) {
      request.flights[k] = cache_.begin_fill(key(k), variant, {link.id, link.sent + 1, 1}, now());
      c.order.on_read_sent(ask.key.hash, link.sent + 1);
      op.reads = static_cast<std::uint8_t>(op.reads | (1U << k));
    }
  }
  if (op.reads == 0) {
    op.mask = 3;
    op.ready = true;
  } else {
    send(client, op, request);
  }
}

}  // namespace model
