// Which server is the master, by Redis Sentinel: decided. Pure; owned by its shell (l2), on the
// control thread. The shell asks whom it is told to ask, hands in what comes back, and calls
// on_tick at next_tick().
//
//   resting ── due, or a hint ──▶ asking ── an answer that is not stale ──▶ verifying
//      ▲                            │ ▲                                        │   │
//      │       all have been asked  │ └── no answer, stale, not a master ──────┘   │ a master
//      └────────────────────────────┴──────────────────────────────────────────────┘
//
// Sentinels are asked one at a time, the one that answered well last first. What a sentinel says is
// checked: the server it names must call itself master. A sentinel that was cut off from the others
// goes on naming the master of old, which may even still believe in itself; it is known by the
// configuration epoch, which grows with each failover: an answer below the highest epoch seen is
// stale. (Sentinels that have all begun anew count from zero: once a majority of them has named
// nothing newer for `believe_after`, they are believed again.)
//
// Nothing rests on a hint (a `+switch-master` message, a lost connection, READONLY): between hints
// one sentinel after the other is asked, one each `poll`.
//
// Limits: kMaxSentinels are remembered, configured ones first. One question is under way at a time.
// Rounds begin kMinPause apart at least, however many hints come.
#pragma once

#include "tiercache/base/backoff.hpp"
#include "tiercache/base/split_mix.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/config/endpoint.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tiercache::topology {

using config::Endpoint;

struct SentinelConfig {
  std::vector<Endpoint> sentinels;  // not empty
  Duration poll = std::chrono::seconds(1);
  // Between rounds in which no master was found.
  Duration retry_min = std::chrono::milliseconds(100);
  Duration retry_max = std::chrono::milliseconds(500);
  // Longer than sentinels need to tell each other of a failover.
  Duration believe_after = std::chrono::seconds(10);
  std::uint64_t seed = 0;  // for the jitter
};

// What one sentinel says.
struct SentinelAnswer {
  std::optional<Endpoint> master;      // none: it does not know the name
  std::optional<std::uint64_t> epoch;  // none: it does not tell
  std::vector<Endpoint> sentinels;     // the others
  std::vector<Endpoint> replicas;
};

// What a server says of itself.
enum class Role : std::uint8_t {
  master,
  other,
  unknown,  // it does not let us know: believed to be what the sentinels say
};

struct SentinelActions {
  // A question, and its number. At most one of the two.
  std::optional<Endpoint> ask;     // what a sentinel says
  std::optional<Endpoint> verify;  // a server's role
  std::uint64_t number = 0;
  // The master so far is none any more.
  bool withdraw = false;
  // From here on this is the master.
  std::optional<Endpoint> use;

  void clear() {
    *this = {};
  }
};

// For people.
struct SentinelSeen {
  Endpoint endpoint;
  std::string state = "not asked yet";  // "ok", "stale", or what went wrong
};

class Sentinel {
 public:
  static constexpr std::size_t kMaxSentinels = 32;
  static constexpr Duration kMinPause = std::chrono::milliseconds(50);

  explicit Sentinel(const SentinelConfig& config);

  // Once, first.
  void start(Time now, SentinelActions& actions);
  // Answers to the question `number`; those to an older one are ignored.
  void on_answer(std::uint64_t number, const SentinelAnswer& answer, Time now,
                 SentinelActions& actions);
  void on_role(std::uint64_t number, Role role, Time now, SentinelActions& actions);
  // None came, or none that can be understood.
  void on_failed(std::uint64_t number, const std::string& why, Time now, SentinelActions& actions);
  // Something suggests that the master is another, or gone.
  void on_hint(Time now, SentinelActions& actions);
  void on_tick(Time now, SentinelActions& actions);
  Time next_tick() const noexcept;

  const std::optional<Endpoint>& master() const noexcept {
    return master_;
  }
  // In the order in which they are asked.
  const std::vector<SentinelSeen>& sentinels() const noexcept {
    return sentinels_;
  }
  const std::vector<Endpoint>& replicas() const noexcept {
    return replicas_;
  }
  // Why the last round found no master; empty if it did.
  const std::string& why_not() const noexcept {
    return why_not_;
  }

  // All that decides what comes next, but for times and words.
  template <class Sink>
  void digest(Sink&& sink) const;

 private:
  enum class Phase : std::uint8_t { resting, asking, verifying };
  // A poll asks one sentinel whether it knows better; a search asks until a master is found.
  enum class Round : std::uint8_t { poll, search };

  void begin(Round round, Time now, SentinelActions& actions);
  void ask_next(Time now, SentinelActions& actions);
  void end(bool found, Time now);
  void doubt(Time now);
  void accept(Time now, SentinelActions& actions);
  void learn(const SentinelAnswer& answer, const Endpoint& from);
  SentinelSeen* seen(const Endpoint& endpoint);

  const SentinelConfig config_;
  Backoff backoff_;
  SplitMix random_;

  std::vector<SentinelSeen> sentinels_;
  std::vector<Endpoint> replicas_;
  std::optional<Endpoint> master_;
  std::uint64_t epoch_ = 0;      // the highest that was believed
  Time doubted_since_ = kNever;  // a majority has named nothing as new
  std::string why_not_ = "no sentinel has been asked yet";

  Phase phase_ = Phase::resting;
  Round round_ = Round::search;
  bool hinted_ = false;  // during a round: another follows
  Time due_ = kNever;    // resting: of the next round
  Time began_{};
  std::size_t polled_ = 0;
  std::uint64_t number_ = 0;
  // Of the round.
  std::vector<Endpoint> left_;  // sentinels to ask, the next one last
  Endpoint asked_;
  SentinelAnswer answer_;
  std::size_t stale_ = 0;
  std::uint64_t stale_epoch_ = 0;  // the highest among the stale
};

template <class Sink>
void Sentinel::digest(Sink&& sink) const {
  const auto endpoint = [&](const Endpoint& one) {
    sink(std::uint64_t{one.port});
  };
  sink(static_cast<std::uint64_t>(phase_) | static_cast<std::uint64_t>(round_) << 2 |
       std::uint64_t{hinted_} << 3 | std::uint64_t{master_.has_value()} << 4);
  endpoint(master_.value_or(Endpoint{}));
  sink(epoch_);
  for (const SentinelSeen& one : sentinels_) {
    endpoint(one.endpoint);
  }
  if (phase_ == Phase::resting) {
    sink(std::uint64_t{why_not_.empty()} | polled_ % sentinels_.size() << 1);
    return;
  }
  for (const Endpoint& one : left_) {
    endpoint(one);
  }
  endpoint(asked_);
  sink(stale_);
  sink(stale_epoch_);
  if (phase_ == Phase::verifying) {
    endpoint(answer_.master.value_or(Endpoint{}));
    sink(answer_.epoch.value_or(0));
  }
}

}  // namespace tiercache::topology
