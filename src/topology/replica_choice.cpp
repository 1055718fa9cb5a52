#include "tiercache/topology/replica_choice.hpp"

#include <algorithm>

namespace tiercache::topology {

bool ReplicaChoice::avoided(const config::Endpoint& endpoint, Time now) const {
  return std::ranges::any_of(
      avoided_, [&](const auto& one) { return one.first == endpoint && now < one.second; });
}

config::Endpoint ReplicaChoice::take(const config::Endpoint& endpoint, Time now) {
  current_ = endpoint;
  good_at_ = taken_at_ = now;
  return endpoint;
}

config::Endpoint ReplicaChoice::choose(const config::Endpoint& master,
                                       std::span<const ReplicaSeen> replicas, Time now) {
  std::erase_if(avoided_, [&](const auto& one) { return now >= one.second; });
  std::vector<config::Endpoint> online;
  for (const ReplicaSeen& replica : replicas) {
    if (replica.online && !avoided(replica.endpoint, now)) {
      online.push_back(replica.endpoint);
    }
  }
  const auto its = std::ranges::find_if(
      online, [&](const config::Endpoint& one) { return current_ && one == *current_; });
  if (its != online.end()) {
    if (now - good_at_ <= kPatience) {
      return *current_;
    }
    avoided_.emplace_back(*current_, now + kAvoid);
    online.erase(its);
  }
  const bool at_master = current_ && *current_ == master;
  if (at_master && (online.empty() || now - taken_at_ < kSettle)) {
    return master;
  }
  return take(online.empty() ? master : online[random_() % online.size()], now);
}

}  // namespace tiercache::topology
