// The bodies of BasicEventLink. Included by event_link.hpp only.
#pragma once

#include <algorithm>

namespace tiercache::coherence {

template <Rules R>
void BasicEventLink<R>::on_subscribed(std::uint64_t source, Time now, LinkStatus& status,
                                      EventLinkActions& actions) {
  outstanding_.clear();
  up_ = true;
  with_canary_ = config_.canary;
  proven_ = !with_canary_;
  canary_ = Canary::idle;
  status.set_state(LinkState::syncing);
  status.set_proof(config_.proof);
  status.set_source(source);
  // Whatever was read before the subscription stood is not covered by it.
  if (R.flush_at_subscribe) {
    status.bump_generation();
  }
  if (config_.proof == Proof::age) {
    status.set_state(LinkState::live);
  } else if (with_canary_) {
    start_canary(now, actions);
  } else {
    send(now, status, actions);
  }
}

template <Rules R>
void BasicEventLink<R>::on_lost(LinkStatus& status) {
  outstanding_.clear();
  up_ = false;
  if (!R.flush_at_loss) {
    return;
  }
  status.set_state(LinkState::down);
  status.bump_generation();
}

template <Rules R>
void BasicEventLink<R>::give_up(LinkFault fault, LinkStatus& status, EventLinkActions& actions) {
  on_lost(status);
  actions.close = true;
  actions.fault = fault;
}

template <Rules R>
void BasicEventLink<R>::send(Time now, LinkStatus& status, EventLinkActions& actions) {
  Fence& fence = outstanding_.emplace_back();
  fence.number = ++sent_;
  fence.sent_at = now;
  last_sent_ = now;
  status.set_sent(sent_);
  actions.pings.push_back(wire(fence));
}

template <Rules R>
void BasicEventLink<R>::request(std::uint64_t ping, Time now, LinkStatus& status,
                                EventLinkActions& actions) {
  wanted_ = std::max(wanted_, ping);
  if (up_ && config_.proof == Proof::stream && wanted_ > sent_ &&
      outstanding_.size() < config_.max_outstanding) {
    send(now, status, actions);
  }
}

template <Rules R>
void BasicEventLink<R>::on_pong(std::uint64_t payload, Time now, LinkStatus& status,
                                EventLinkActions& actions) {
  if (outstanding_.empty() || payload != wire(outstanding_.front())) {
    return;  // of a connection before this one
  }
  if (outstanding_.front().stage < stages()) {
    // To the back: the second PING of this fence follows those already sent, and PONGs come in
    // the order of the PINGs.
    Fence again = outstanding_.front();
    outstanding_.erase(outstanding_.begin());
    again.stage++;
    outstanding_.push_back(again);
    actions.pings.push_back(wire(again));
    return;
  }
  const Fence fence = outstanding_.front();
  outstanding_.erase(outstanding_.begin());
  if (canary_ == Canary::awaited && fence.number >= canary_fence_) {
    if (R.canary_heard && canary_events_ == canary_events_before_) {
      give_up(LinkFault::canary_unheard, status, actions);
      return;
    }
    canary_ = Canary::idle;
    next_canary_ = now + config_.canary_interval;
    proven_ = true;
  }
  status.set_acked(fence.number, fence.sent_at);
  if (proven_ && !canary_overdue(now)) {
    status.set_state(LinkState::live);
  }
  if (wanted_ > sent_) {
    send(now, status, actions);
  }
}

template <Rules R>
void BasicEventLink<R>::on_null(LinkStatus& status) {
  if (R.flush_on_null) {
    status.bump_generation();
  }
}

template <Rules R>
void BasicEventLink<R>::start_canary(Time now, EventLinkActions& actions) {
  canary_ = Canary::writing;
  canary_since_ = now;
  canary_events_before_ = canary_events_;
  next_canary_ = now + config_.canary_interval;
  actions.write_canary = true;
}

template <Rules R>
void BasicEventLink<R>::on_canary_written(bool surprise, Time now, LinkStatus& status,
                                          EventLinkActions& actions) {
  if (!up_ || canary_ != Canary::writing) {
    return;
  }
  if (R.canary_surprise && surprise) {
    status.bump_generation();
  }
  canary_ = Canary::awaited;
  send(now, status, actions);
  canary_fence_ = sent_;
}

template <Rules R>
void BasicEventLink<R>::on_canary_refused(Time now, LinkStatus& status, EventLinkActions& actions) {
  if (!up_ || canary_ != Canary::writing) {
    return;
  }
  canary_ = Canary::idle;
  with_canary_ = false;
  proven_ = true;
  send(now, status, actions);
}

template <Rules R>
void BasicEventLink<R>::on_tick(Time now, LinkStatus& status, EventLinkActions& actions) {
  if (!up_ || config_.proof == Proof::age) {
    return;
  }
  bool suspicious = canary_overdue(now);
  if (!outstanding_.empty()) {
    const Duration silence = now - outstanding_.front().sent_at;
    if (silence > config_.dead_after) {
      give_up(LinkFault::silent, status, actions);
      return;
    }
    suspicious =
        suspicious || (config_.max_staleness > Duration::zero() && silence > config_.max_staleness);
  }
  if (suspicious && status.view().state == LinkState::live) {
    status.set_state(LinkState::suspect);
  }
  if (now - last_sent_ >= config_.heartbeat && outstanding_.size() < config_.max_outstanding) {
    send(now, status, actions);
  }
  if (with_canary_ && canary_ == Canary::idle && now >= next_canary_) {
    start_canary(now, actions);
  }
}

template <Rules R>
Time BasicEventLink<R>::next_tick() const noexcept {
  return up_ && config_.proof == Proof::stream ? last_sent_ + config_.heartbeat : kNever;
}

}  // namespace tiercache::coherence
