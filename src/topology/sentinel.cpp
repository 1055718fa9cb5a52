#include "tiercache/topology/sentinel.hpp"

#include "tiercache/base/check.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::topology {

namespace {

auto find(std::vector<SentinelSeen>& all, const Endpoint& endpoint) {
  return std::find_if(all.begin(), all.end(),
                      [&](const SentinelSeen& one) { return one.endpoint == endpoint; });
}

}  // namespace

Sentinel::Sentinel(const SentinelConfig& config)
    : config_(config), backoff_(config.retry_min, config.retry_max), random_(config.seed) {
  TC_CHECK(!config.sentinels.empty());
  for (const Endpoint& endpoint : config.sentinels) {
    if (seen(endpoint) == nullptr && sentinels_.size() < kMaxSentinels) {
      sentinels_.push_back({endpoint});
    }
  }
}

void Sentinel::start(Time now, SentinelActions& actions) {
  begin(Round::search, now, actions);
}

void Sentinel::on_hint(Time now, SentinelActions& actions) {
  if (phase_ != Phase::resting) {
    // What this round has heard may be older than the hint.
    hinted_ = true;
    return;
  }
  hinted_ = true;
  due_ = std::min(due_, std::max(now, began_ + kMinPause));
  on_tick(now, actions);
}

void Sentinel::on_tick(Time now, SentinelActions& actions) {
  if (phase_ == Phase::resting && now >= due_) {
    begin(hinted_ || !why_not_.empty() ? Round::search : Round::poll, now, actions);
  }
}

Time Sentinel::next_tick() const noexcept {
  return phase_ == Phase::resting ? due_ : kNever;
}

void Sentinel::begin(Round round, Time now, SentinelActions& actions) {
  round_ = round;
  hinted_ = false;
  began_ = now;
  stale_ = 0;
  stale_epoch_ = 0;
  left_.clear();
  if (round == Round::poll) {
    left_.push_back(sentinels_[polled_++ % sentinels_.size()].endpoint);
  } else {
    for (const SentinelSeen& one : sentinels_) {
      left_.push_back(one.endpoint);
    }
    std::reverse(left_.begin(), left_.end());
  }
  ask_next(now, actions);
}

void Sentinel::ask_next(Time now, SentinelActions& actions) {
  if (left_.empty()) {
    // A poll that brings nothing new leaves everything as it is.
    end(round_ == Round::poll, now);
    return;
  }
  phase_ = Phase::asking;
  asked_ = std::move(left_.back());
  left_.pop_back();
  actions.ask = asked_;
  actions.number = ++number_;
}

void Sentinel::end(bool found, Time now) {
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

void Sentinel::doubt(Time now) {
  if (stale_ <= sentinels_.size() / 2) {
    doubted_since_ = kNever;
    return;
  }
  doubted_since_ = std::min(doubted_since_, now);
  if (now - doubted_since_ >= config_.believe_after) {
    epoch_ = stale_epoch_;
  }
}

void Sentinel::on_answer(std::uint64_t number, const SentinelAnswer& answer, Time now,
                         SentinelActions& actions) {
  if (number != number_ || phase_ != Phase::asking) {
    return;
  }
  SentinelSeen* const from = seen(asked_);
  if (!answer.master) {
    from->state = "does not know the master's name";
  } else if (answer.epoch && *answer.epoch < epoch_) {
    from->state = "stale";
    stale_++;
    stale_epoch_ = std::max(stale_epoch_, *answer.epoch);
  } else {
    from->state = "ok";
    answer_ = answer;
    if (round_ == Round::poll && answer.master == master_) {
      accept(now, actions);
      return;
    }
    phase_ = Phase::verifying;
    actions.verify = answer.master;
    actions.number = ++number_;
    return;
  }
  why_not_ = round_ == Round::search ? config::to_string(asked_) + ": " + from->state : why_not_;
  ask_next(now, actions);
}

void Sentinel::on_role(std::uint64_t number, Role role, Time now, SentinelActions& actions) {
  if (number != number_ || phase_ != Phase::verifying) {
    return;
  }
  if (role != Role::other) {
    accept(now, actions);
    return;
  }
  why_not_ = config::to_string(*answer_.master) + " is no master";
  if (answer_.master == master_) {
    master_.reset();
    actions.withdraw = true;
  }
  // A poll asks no other: a search must follow.
  hinted_ = hinted_ || round_ == Round::poll;
  ask_next(now, actions);
}

void Sentinel::on_failed(std::uint64_t number, const std::string& why, Time now,
                         SentinelActions& actions) {
  if (number != number_ || phase_ == Phase::resting) {
    return;
  }
  if (phase_ == Phase::asking) {
    seen(asked_)->state = why;
  } else if (round_ == Round::poll) {
    hinted_ = true;
  }
  if (round_ == Round::search) {
    why_not_ = why;
  }
  ask_next(now, actions);
}

void Sentinel::accept(Time now, SentinelActions& actions) {
  epoch_ = std::max(epoch_, answer_.epoch.value_or(0));
  learn(answer_, asked_);
  if (answer_.master != master_) {
    master_ = answer_.master;
    actions.use = master_;
  }
  why_not_.clear();
  doubted_since_ = kNever;
  end(true, now);
}

// The one that has answered goes first. Configured ones are never forgotten, whatever others say;
// learnt ones are when it does not name them.
void Sentinel::learn(const SentinelAnswer& answer, const Endpoint& from) {
  replicas_ = answer.replicas;
  std::vector<SentinelSeen> before = std::exchange(sentinels_, {});
  const auto keep = [&](const Endpoint& endpoint) {
    if (seen(endpoint) != nullptr || sentinels_.size() == kMaxSentinels) {
      return;
    }
    const auto known = find(before, endpoint);
    sentinels_.push_back(known == before.end() ? SentinelSeen{endpoint} : *known);
  };
  // A poll goes round: it must not turn the order.
  if (round_ == Round::search) {
    keep(from);
  }
  const auto among = [](const std::vector<Endpoint>& all, const Endpoint& endpoint) {
    return std::find(all.begin(), all.end(), endpoint) != all.end();
  };
  for (const SentinelSeen& one : before) {
    if (one.endpoint == from || among(answer.sentinels, one.endpoint) ||
        among(config_.sentinels, one.endpoint)) {
      keep(one.endpoint);
    }
  }
  for (const Endpoint& endpoint : answer.sentinels) {
    keep(endpoint);
  }
}

SentinelSeen* Sentinel::seen(const Endpoint& endpoint) {
  const auto found = find(sentinels_, endpoint);
  return found == sentinels_.end() ? nullptr : &*found;
}

}  // namespace tiercache::topology
