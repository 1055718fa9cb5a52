// Who serves which slots of a Redis Cluster: whom to ask and what to believe, decided. Pure; owned
// by its shell (l2), on the control thread. The shell asks whom it is told to ask, hands in what
// comes back, and calls on_tick at next_tick().
//
//   resting ── due, or a hint ──▶ asking ── an answer that is not stale ──▶ resting
//                                  │  ▲
//                                  └──┘ no answer, stale: the next one
//
// One server is asked at a time: the one a hint names first, then the one that answered last, then
// all others that are known, and the configured ones. An answer whose highest configuration epoch
// is below one that was believed is stale: its server was cut off. So is one that names a master
// for fewer slots: its server has just joined, and has not met all others. (A cluster that was made
// anew counts from zero, and slots can be given up: once most of those asked have said nothing
// newer for `believe_after`, they are believed.) Two answers of one epoch may differ while a change
// spreads; that costs a redirect and never a wrong answer, since servers serve no slot that is not
// theirs.
//
// Limits: kMaxServers are remembered. One question is under way at a time. Rounds begin kMinPause
// apart at least, however many hints (MOVED, a lost connection) come.
#pragma once

#include "tiercache/base/backoff.hpp"
#include "tiercache/base/split_mix.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/config/endpoint.hpp"
#include "tiercache/topology/cluster_nodes.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tiercache::topology {

struct ClusterConfig {
  std::vector<config::Endpoint> nodes;  // not empty
  Duration poll = std::chrono::seconds(1);
  // Between rounds in which nobody answered.
  Duration retry_min = std::chrono::milliseconds(100);
  Duration retry_max = std::chrono::milliseconds(500);
  // Longer than a change needs to spread.
  Duration believe_after = std::chrono::seconds(10);
  std::uint64_t seed = 0;  // for the jitter
};

struct ClusterActions {
  std::optional<config::Endpoint> ask;  // a question, and its number
  std::uint64_t number = 0;
  bool changed = false;  // servers() are others now, or serve other slots

  void clear() {
    *this = {};
  }
};

class Cluster {
 public:
  static constexpr std::size_t kMaxServers = 1024;
  static constexpr Duration kMinPause = std::chrono::milliseconds(50);

  explicit Cluster(const ClusterConfig& config);

  // Once, first.
  void start(Time now, ClusterActions& actions);
  // The answer to the question `number`; those to an older one are ignored.
  void on_answer(std::uint64_t number, const ClusterServers& servers, Time now,
                 ClusterActions& actions);
  // None came, or none that can be understood.
  void on_failed(std::uint64_t number, const std::string& why, Time now, ClusterActions& actions);
  // Something suggests that a slot is elsewhere, or a server gone. `who` may know, if it is named.
  void on_hint(const std::optional<config::Endpoint>& who, Time now, ClusterActions& actions);
  void on_tick(Time now, ClusterActions& actions);
  Time next_tick() const noexcept;

  // By host and port; empty until somebody has answered.
  const ClusterServers& servers() const noexcept {
    return servers_;
  }
  // Why the last round found nothing out; empty if it did.
  const std::string& why_not() const noexcept {
    return why_not_;
  }

  // All that decides what comes next, but for times and words.
  template <class Sink>
  void digest(Sink&& sink) const;

 private:
  enum class Phase : std::uint8_t { resting, asking };

  void begin(bool all, Time now, ClusterActions& actions);
  void ask_next(Time now, ClusterActions& actions);
  void end(bool found, Time now);
  void doubt(Time now);

  const ClusterConfig config_;
  Backoff backoff_;
  SplitMix random_;

  ClusterServers servers_;
  std::optional<config::Endpoint> last_;  // who answered
  std::uint64_t epoch_ = 0;               // the highest that was believed
  std::size_t covered_ = 0;               // slots with a master, in what was believed
  Time doubted_since_ = kNever;           // most have named nothing as new
  std::string why_not_ = "nobody has been asked yet";

  Phase phase_ = Phase::resting;
  bool hinted_ = false;  // during a round: another follows
  std::optional<config::Endpoint> hint_;
  Time due_ = kNever;  // resting: of the next round
  Time began_{};
  std::size_t polled_ = 0;
  std::uint64_t number_ = 0;
  // Of the round.
  std::vector<config::Endpoint> left_;  // to ask, the next one last
  config::Endpoint asked_;
  std::size_t asked_count_ = 0;
  std::size_t stale_ = 0;
  std::uint64_t stale_epoch_ = 0;  // the highest among the stale
  std::size_t stale_covered_ = 0;  // and the most slots
};

template <class Sink>
void Cluster::digest(Sink&& sink) const {
  sink(static_cast<std::uint64_t>(phase_) | std::uint64_t{hinted_} << 1 |
       std::uint64_t{hint_.has_value()} << 2 | std::uint64_t{why_not_.empty()} << 3 |
       std::uint64_t{last_.has_value()} << 4);
  sink(std::uint64_t{hint_.value_or(config::Endpoint{}).port} << 16 |
       last_.value_or(config::Endpoint{}).port);
  sink(epoch_);
  sink(covered_);
  for (const ClusterServer& server : servers_) {
    sink(std::uint64_t{server.endpoint.port} << 32 | std::uint64_t{server.master} << 16 |
         server.slots.size());
    for (const SlotRange& range : server.slots) {
      sink(std::uint64_t{range.first} << 16 | range.last);
    }
  }
  if (phase_ == Phase::resting) {
    sink(servers_.empty() ? 0 : polled_ % servers_.size());
    return;
  }
  for (const config::Endpoint& one : left_) {
    sink(one.port);
  }
  sink(asked_.port);
  sink(asked_count_ << 32 | stale_);
  sink(stale_epoch_);
  sink(stale_covered_);
}

}  // namespace tiercache::topology
