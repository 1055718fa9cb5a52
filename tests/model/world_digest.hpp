// World, the part that tells states apart: everything that what happens next can depend on. Numbers
// that only grow go in relative to what is acknowledged, or no two states would be equal. Included
// by world.hpp only.
#pragma once

namespace model {

template <Rules R>
template <class Sink>
void World<R>::digest(Sink&& sink) const {
  const coherence::View view = cache_.status().view();
  const auto relative = [&view](std::uint64_t ping) {
    return ping > view.acked ? ping - view.acked : std::uint64_t{0};
  };
  sink(std::uint64_t{versions_[0]} | std::uint64_t{versions_[1]} << 8 |
       std::uint64_t{writes_} << 16 | std::uint64_t{time_} << 24 | std::uint64_t{has_ttl_} << 32 |
       std::uint64_t{expiry_version_} << 40);
  // Which write touched what is needed for snapshots only.
  sink(std::string_view(reinterpret_cast<const char*>(history_.data()), history_.size()));
  sink(direct_a_ | direct_both_ << 4 | direct_flush_ << 8 | event_losses_ << 12 |
       data_losses_ << 16 | heartbeats_ << 20);
  sink(static_cast<std::uint64_t>(feed_) | static_cast<std::uint64_t>(canary_) << 8 |
       std::uint64_t{deaf_} << 16 | std::uint64_t{unheard_of_} << 17 |
       std::uint64_t{swapped_} << 18 | std::uint64_t{failovers_} << 24 |
       std::uint64_t{deafenings_} << 32 | std::uint64_t{swaps_} << 40 |
       std::uint64_t{canaries_} << 48);
  sink(std::uint64_t{old_versions_[0]} | std::uint64_t{old_versions_[1]} << 8);
  if (script_->short_staleness) {
    for (const Versions& held : ended_) {
      sink(std::uint64_t{held[0]} | std::uint64_t{held[1]} << 8);
    }
  }
  sink(static_cast<std::uint64_t>(view.acked_at.time_since_epoch().count()));
  sink(static_cast<std::uint64_t>(view.state) | (view.sent - view.acked) << 8);
  const auto request = [&sink](const Request& r) {
    sink(static_cast<std::uint64_t>(r.letter) | std::uint64_t{r.client} << 8 |
         std::uint64_t{r.op} << 16 | std::uint64_t{r.value[0]} << 24 |
         std::uint64_t{r.value[1]} << 32 | std::uint64_t{r.exec_ok} << 40 |
         static_cast<std::uint64_t>(r.watched + 1) << 41 | std::uint64_t{r.pttl_due} << 54 |
         std::uint64_t{r.old_server} << 55 | static_cast<std::uint64_t>(r.pttl + 2) << 56);
  };
  for (const Link& link : links_) {
    sink(link.sent | static_cast<std::uint64_t>(link.watched + 1) << 32 |
         std::uint64_t{link.old_server} << 63);
    sink(std::uint64_t{link.requests.size()} | std::uint64_t{link.replies.size()} << 32);
    for (const Request& r : link.requests) {
      request(r);
    }
    for (const Request& r : link.replies) {
      request(r);
    }
  }
  sink(std::uint64_t{orphans_.size()});
  for (const Request& r : orphans_) {
    request(r);
  }
  const std::uint64_t per_fence = script_->tracking ? 2 : 1;
  sink(std::uint64_t{pings_.size()});
  for (const std::uint64_t ping : pings_) {
    sink(relative(ping / per_fence) | (ping % per_fence) << 32);
  }
  const auto event = [&](const Event& e) {
    sink(static_cast<std::uint64_t>(e.kind) << 32 |
         (e.kind == Event::Kind::pong ? relative(e.value / per_fence) << 1 | e.value % per_fence
                                      : e.value));
  };
  sink(std::uint64_t{events_.size()} | std::uint64_t{hidden_.size()} << 16 |
       std::uint64_t{invalidated_} << 32);
  for (const Event& e : events_) {
    event(e);
  }
  for (const Event& e : hidden_) {
    event(e);
  }
  const_cast<coherence::BasicCache<R>&>(cache_).for_each_shard(
      [&](coherence::BasicShard<R>& shard) { shard.digest(sink, view); });
  event_link_.digest(sink);
  for (unsigned i = 0; i < clients_.size(); i++) {
    const Client& c = clients_[i];
    sink(std::uint64_t{c.next} | std::uint64_t{c.link} << 8 | std::uint64_t{c.pinned} << 16 |
         std::uint64_t{c.moving} << 17 | std::uint64_t{c.foreign_wait} << 18 |
         std::uint64_t{c.watched_read} << 19 | std::uint64_t{c.watched_value} << 24 |
         std::uint64_t{c.seen[0]} << 32 | std::uint64_t{c.seen[1]} << 40 |
         std::uint64_t{c.ops.size()} << 48);
    sink(relative(c.wait_ping));
    sink(relative(c.order.fence()));
    c.order.digest(sink);
    for (const Op& op : c.ops) {
      sink(static_cast<std::uint64_t>(op.letter) | std::uint64_t{op.ready} << 8 |
           std::uint64_t{op.wide_done_due} << 9 | std::uint64_t{op.failed} << 10 |
           std::uint64_t{op.exec_ok} << 11 | std::uint64_t{op.mask} << 12 |
           std::uint64_t{op.reads} << 14 | std::uint64_t{op.value[0]} << 16 |
           std::uint64_t{op.value[1]} << 24 | std::uint64_t{op.floor[0]} << 32 |
           std::uint64_t{op.floor[1]} << 40 | std::uint64_t{op.hold != 0} << 48);
      sink(std::uint64_t{op.least[0]} | std::uint64_t{op.least[1]} << 8);
      sink(relative(op.hold));
    }
    sink(std::uint64_t{mail_[i].size()});
    for (const Mail& m : mail_[i]) {
      sink(std::uint64_t{m.op} | std::uint64_t{m.value} << 8 | std::uint64_t{m.lost} << 16);
    }
  }
  sink(std::uint64_t{delivered_[0]} | std::uint64_t{delivered_[1]} << 8);
  for (const auto& [ping, held] : at_ping_) {
    if (ping >= view.acked) {
      sink(relative(ping) | std::uint64_t{held[0]} << 32 | std::uint64_t{held[1]} << 40);
    }
  }
}

}  // namespace model
