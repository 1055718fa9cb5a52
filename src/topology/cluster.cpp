#include "tiercache/topology/cluster.hpp"

#include "tiercache/base/check.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::topology {

namespace {

using config::Endpoint;

std::uint64_t newest(const ClusterServers& servers) {
  std::uint64_t epoch = 0;
  for (const ClusterServer& server : servers) {
    epoch = std::max(epoch, server.slots.empty() ? 0 : server.epoch);
  }
  return epoch;
}

std::size_t covered(const ClusterServers& servers) {
  std::size_t slots = 0;
  for (const ClusterServer& server : servers) {
    for (const SlotRange& range : server.slots) {
      slots += range.last - range.first + 1U;
    }
  }
  return slots;
}

}  // namespace

Cluster::Cluster(const ClusterConfig& config)
    : config_(config), backoff_(config.retry_min, config.retry_max), random_(config.seed) {
  TC_CHECK(!config.nodes.empty());
}

void Cluster::start(Time now, ClusterActions& actions) {
  begin(true, now, actions);
}

void Cluster::on_hint(const std::optional<Endpoint>& who, Time now, ClusterActions& actions) {
  // What a round under way has heard may be older than the hint.
  hinted_ = true;
  hint_ = who ? who : hint_;
  if (phase_ == Phase::resting) {
    due_ = std::min(due_, std::max(now, began_ + kMinPause));
    on_tick(now, actions);
  }
}

void Cluster::on_tick(Time now, ClusterActions& actions) {
  if (phase_ == Phase::resting && now >= due_) {
    begin(hinted_ || !why_not_.empty(), now, actions);
  }
}

Time Cluster::next_tick() const noexcept {
  return phase_ == Phase::resting ? due_ : kNever;
}

void Cluster::begin(bool all, Time now, ClusterActions& actions) {
  began_ = now;
  hinted_ = false;
  asked_count_ = 0;
  stale_ = 0;
  stale_epoch_ = 0;
  stale_covered_ = 0;
  left_.clear();
  const std::optional<Endpoint> first = std::exchange(hint_, std::nullopt);
  if (!all) {
    // Another one each time, so that one that is wrong is not believed for long.
    left_.push_back(servers_[polled_++ % servers_.size()].endpoint);
    ask_next(now, actions);
    return;
  }
  const auto add = [this](const Endpoint& one) {
    if (std::find(left_.begin(), left_.end(), one) == left_.end()) {
      left_.push_back(one);
    }
  };
  if (first) {
    add(*first);
  }
  if (last_) {
    add(*last_);
  }
  for (const bool master : {true, false}) {
    for (const ClusterServer& server : servers_) {
      if (server.master == master) {
        add(server.endpoint);
      }
    }
  }
  for (const Endpoint& one : config_.nodes) {
    add(one);
  }
  std::reverse(left_.begin(), left_.end());
  ask_next(now, actions);
}

void Cluster::ask_next(Time now, ClusterActions& actions) {
  if (left_.empty()) {
    end(false, now);
    return;
  }
  phase_ = Phase::asking;
  asked_ = std::move(left_.back());
  left_.pop_back();
  asked_count_++;
  actions.ask = asked_;
  actions.number = ++number_;
}

void Cluster::end(bool found, Time now) {
  phase_ = Phase::resting;
  if (found) {
    backoff_.reset();
    due_ = now + config_.poll;
  } else {
    doubt(now);
    due_ = now + backoff_.next(random_());
  }
  if (hinted_) {
    due_ = std::min(due_, std::max(now, began_ + kMinPause));
  }
}

// A poll asks one only, which is not most of them.
void Cluster::doubt(Time now) {
  if (stale_ == 0 || stale_ <= asked_count_ / 2) {
    doubted_since_ = kNever;
    return;
  }
  doubted_since_ = std::min(doubted_since_, now);
  if (asked_count_ > 1 && now - doubted_since_ >= config_.believe_after) {
    epoch_ = stale_epoch_;
    covered_ = stale_covered_;
  }
}

void Cluster::on_answer(std::uint64_t number, const ClusterServers& servers, Time now,
                        ClusterActions& actions) {
  if (number != number_ || phase_ != Phase::asking) {
    return;
  }
  const std::uint64_t epoch = newest(servers);
  const std::size_t slots = covered(servers);
  if (servers.empty() || epoch < epoch_ || slots < covered_) {
    why_not_ = config::to_string(asked_) + (epoch < epoch_ ? " knows only what was before"
                                                           : " does not know who serves each slot");
    stale_++;
    stale_epoch_ = std::max(stale_epoch_, epoch);
    stale_covered_ = std::max(stale_covered_, slots);
    ask_next(now, actions);
    return;
  }
  epoch_ = epoch;
  covered_ = slots;
  last_ = asked_;
  doubted_since_ = kNever;
  why_not_.clear();
  ClusterServers seen = servers;
  if (seen.size() > kMaxServers) {
    seen.resize(kMaxServers);
  }
  if (seen != servers_) {
    servers_ = std::move(seen);
    actions.changed = true;
  }
  end(true, now);
}

void Cluster::on_failed(std::uint64_t number, const std::string& why, Time now,
                        ClusterActions& actions) {
  if (number != number_ || phase_ != Phase::asking) {
    return;
  }
  why_not_ = why;
  ask_next(now, actions);
}

}  // namespace tiercache::topology
