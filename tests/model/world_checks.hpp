// World, the part that checks: each promise of the protocol at the moment an answer goes out, and
// what must hold at the end. Included by world.hpp only.
#pragma once

#include <algorithm>
#include <string_view>

namespace model {

template <Rules R>
void World<R>::finish(unsigned client, Op& op) {
  Client& c = clients_[client];
  if (op.wide_done_due) {
    c.order.on_wide_write_done();
  }
  if (op.unpins) {
    c.unpin_due = true;
  }
  if (op.failed) {
    return;
  }
  const bool write = std::string_view("WwNLBFE").find(op.letter) != std::string_view::npos;
  for (unsigned k = 0; k < kKeys; k++) {
    if (((op.mask >> k) & 1U) == 0) {
      continue;
    }
    // Past a failover a link to the old server shows what that holds: only L1 is judged then.
    if (script_->failovers > 0) {
      continue;
    }
    if (op.value[k] < c.seen[k] || (write && op.value[k] == c.seen[k])) {
      fail("SESSION");
    }
    if (op.value[k] < op.floor[k]) {
      fail("REALTIME");
    }
    if (op.value[k] < op.least[k]) {
      fail("JOINED-TOO-OLD");
    }
    c.seen[k] = std::max(c.seen[k], op.value[k]);
    // With coherence = "session" nothing is promised to others about a script's own keys.
    if (op.letter != 'L' || !script_->session_scripts) {
      delivered_[k] = std::max(delivered_[k], op.value[k]);
    }
  }
  if (op.letter == 'M') {
    check_snapshot(op.value);
  }
  if (c.pinned && op.letter == 'R') {
    c.watched_read = true;
    c.watched_value = op.value[0];
  }
  if (op.letter == 'E' && op.exec_ok && c.watched_read && c.watched_value != op.watched) {
    fail("LOST-UPDATE");
  }
}

template <Rules R>
void World<R>::check_hit(const Op& op, unsigned k, std::uint8_t version) {
  for (const auto& [ping, held] : at_ping_) {
    if (!script_->age && !script_->with_canary() && ping == cache_.status().view().acked &&
        version < held[k]) {
      fail("STALENESS-BOUND");
    }
  }
  if (feed_ == Feed::noticed) {
    fail("HIT-ON-BROKEN-STREAM");
  }
  if (k == 0 && version < expiry_version_) {
    fail("HIT-AFTER-EXPIRY");
  }
  if (script_->short_staleness && time_ >= 2 && version < ended_[time_ - 2U][k]) {
    fail("TOO-STALE");
  }
  if (script_->every_hit_fenced && version < op.current[k]) {
    fail("NOT-FENCED");
  }
}

// Some moment must exist at which Redis held both versions.
template <Rules R>
void World<R>::check_snapshot(const Versions& value) {
  Versions end{255, 255};
  for (unsigned k = 0; k < kKeys; k++) {
    for (std::size_t write = value[k] + 1U; write < history_.size(); write++) {
      if ((history_[write] >> k) & 1U) {
        end[k] = static_cast<std::uint8_t>(write);
        break;
      }
    }
  }
  if (std::max(value[0], value[1]) >= std::min(end[0], end[1])) {
    fail("TORN");
  }
}

template <Rules R>
void World<R>::check_end() {
  for (unsigned i = 0; i < clients_.size(); i++) {
    if (!clients_[i].ops.empty() || clients_[i].next < script_->sessions[i].size()) {
      fail("STUCK");
    }
  }
  if (script_->age) {
    return;  // what is stale now ends with its time
  }
  if (unheard_of_) {
    return;  // until the next canary
  }
  const coherence::View view = cache_.status().view();
  cache_.for_each_shard([&](coherence::BasicShard<R>& shard) {
    shard.store().for_each_lru([&](const l1::Entry& entry) {
      const unsigned k = entry.key() == "a" ? 0 : 1;
      if (shard.store().alive(entry, now(), R.check_generation ? view.generation : 0) &&
          version_of(entry.reply().body()) != versions_[k]) {
        fail("STALE-FOREVER");
      }
    });
  });
}

}  // namespace model
