// Which of a master's replicas is read from: decided. Pure; owned by its shell (l2), on the control
// thread, which hands in what the master says of its replicas at each poll.
//
// A replica is kept as long as the master has it online and it catches up, since another one means
// an empty L1. One that has not caught up for kPatience, although the master answered, is given up
// and left alone for kAvoid. If there is none, it is the master itself; a replica that comes is
// taken kSettle after that at the earliest. Among several it is any one, so that many proxies
// spread.
#pragma once

#include "tiercache/base/split_mix.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/config/endpoint.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace tiercache::topology {

struct ReplicaSeen {
  config::Endpoint endpoint;
  bool online = false;

  bool operator==(const ReplicaSeen&) const = default;
};

class ReplicaChoice {
 public:
  static constexpr Duration kPatience = std::chrono::seconds(5);
  static constexpr Duration kAvoid = std::chrono::seconds(30);
  static constexpr Duration kSettle = std::chrono::seconds(1);

  explicit ReplicaChoice(std::uint64_t seed) : random_(seed) {
  }

  // The server to read from.
  config::Endpoint choose(const config::Endpoint& master, std::span<const ReplicaSeen> replicas,
                          Time now);
  // The one that was chosen last has all that its master had.
  void on_caught_up(Time now) noexcept {
    good_at_ = now;
  }
  // The master answers, for the first time or again: without it nobody could catch up.
  void on_master_found(Time now) noexcept {
    good_at_ = now;
  }

 private:
  bool avoided(const config::Endpoint& endpoint, Time now) const;
  config::Endpoint take(const config::Endpoint& endpoint, Time now);

  SplitMix random_;
  std::optional<config::Endpoint> current_;
  Time good_at_{};  // it was chosen, or has caught up
  Time taken_at_{};
  std::vector<std::pair<config::Endpoint, Time>> avoided_;  // until when
};

}  // namespace tiercache::topology
