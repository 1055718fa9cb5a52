// The life of the event link, decided: when to PING, when L1 may serve, when it must be emptied.
// Pure; owned by the event link's shell (l2), on its thread. It writes LinkStatus, which all
// threads read. The shell connects, subscribes, applies events to the shards in stream order, and
// does what Actions say.
//
//   down ── on_subscribed ──▶ syncing ── first fence (with the canary's event) ──▶ live
//     ▲                                                                        │  ▲
//     └── on_lost, canary unheard, no PONG for `dead_after` ───────────────────┤  │ PONG
//                                                   PONG or canary overdue ──▶ suspect
//
// A fence is one PING (keyspace events) or two, the second sent after the first PONG (BCAST
// tracking, whose invalidations Redis sends at the end of a tick). PONGs prove that the stream has
// been processed; the canary proves that it carries events at all: notify-keyspace-events can be
// switched off at run time while PING still answers.
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/coherence/link_status.hpp"
#include "tiercache/coherence/rules.hpp"

#include <cstdint>
#include <vector>

#include <boost/container/small_vector.hpp>

namespace tiercache::coherence {

struct EventLinkConfig {
  // Proof::age: no PINGs and no canary; live from the connection to its loss.
  Proof proof = Proof::stream;
  Duration heartbeat = std::chrono::milliseconds(20);
  Duration max_staleness = std::chrono::seconds(1);
  // Silence after which the connection is given up.
  Duration dead_after = std::chrono::seconds(5);
  unsigned pings_per_fence = 1;
  // Fences under way at once; more are asked for when one of these is acknowledged.
  unsigned max_outstanding = 16;
  bool canary = true;
  Duration canary_interval = std::chrono::seconds(1);
};

enum class LinkFault : std::uint8_t {
  none,
  canary_unheard,  // notifications are off, or lost on the way
  silent,          // no PONG for dead_after
};

struct EventLinkActions {
  // Numbers of the PINGs to send now, in order. The payload on the wire is the number.
  std::vector<std::uint64_t> pings;
  bool write_canary = false;
  bool close = false;
  LinkFault fault = LinkFault::none;

  void clear() {
    pings.clear();
    write_canary = false;
    close = false;
    fault = LinkFault::none;
  }
};

template <Rules R = Rules{}>
class BasicEventLink {
 public:
  explicit BasicEventLink(const EventLinkConfig& config) : config_(config) {
  }

  // While the link is down, but for the intervals, which may change at any time.
  void configure(const EventLinkConfig& config) {
    config_ = config;
  }

  // The last subscription is confirmed, and the connection reaches the process `source`.
  void on_subscribed(std::uint64_t source, Time now, LinkStatus& status, EventLinkActions& actions);
  // The stream is broken: end of file, a protocol error, an unsubscription. Call at once.
  void on_lost(LinkStatus& status);
  // The PONG with this payload, all events before it applied.
  void on_pong(std::uint64_t wire, Time now, LinkStatus& status, EventLinkActions& actions);
  // The NULL payload.
  void on_null(LinkStatus& status);
  // The canary is written and answered. `surprise`: its old value was not the one left there, so
  // a database was flushed, swapped or rolled back.
  void on_canary_written(bool surprise, Time now, LinkStatus& status, EventLinkActions& actions);
  // Redis refuses the canary (read-only, no permission): go on without for this connection. The
  // shell then watches Redis's own statistics instead.
  void on_canary_refused(Time now, LinkStatus& status, EventLinkActions& actions);
  // Where no canary is written: the shell asks Redis for its statistics, and has heard all of it.
  void on_watch_sent(Time now) noexcept {
    if (up_ && !with_canary_ && canary_ == Canary::idle) {
      canary_ = Canary::watching;
      canary_since_ = now;
    }
  }
  void on_watch_answered() noexcept {
    if (canary_ == Canary::watching) {
      canary_ = Canary::idle;
    }
  }
  // The event of a canary.
  void on_canary_event() {
    canary_events_++;
  }
  // Somebody waits for this fence: send it now unless it is under way.
  void request(std::uint64_t ping, Time now, LinkStatus& status, EventLinkActions& actions);
  // Call often: at least at next_tick().
  void on_tick(Time now, LinkStatus& status, EventLinkActions& actions);
  Time next_tick() const noexcept;

  template <class Sink>
  void digest(Sink&& sink) const {
    sink(std::uint64_t{outstanding_.size()});
    for (const Fence& fence : outstanding_) {
      sink(std::uint64_t{fence.stage});
      sink(sent_ - fence.number);
    }
    sink(wanted_ > sent_ ? wanted_ - sent_ : 0);
    for (const Fence& fence : outstanding_) {
      sink(static_cast<std::uint64_t>(fence.sent_at.time_since_epoch().count()));
    }
    sink(static_cast<std::uint64_t>(canary_) |
         std::uint64_t{canary_events_ == canary_events_before_} << 8 | std::uint64_t{proven_} << 9 |
         std::uint64_t{with_canary_} << 10);
    sink(canary_ == Canary::awaited ? sent_ - canary_fence_ : 0);
  }

 private:
  struct Fence {
    std::uint64_t number = 0;
    unsigned stage = 1;
    Time sent_at{};
  };
  enum class Canary : std::uint8_t { idle, writing, awaited, watching };

  // On the wire a PING's number is fence * pings_per_fence + stage - 1, so stages are told apart.
  std::uint64_t wire(const Fence& fence) const noexcept {
    return fence.number * config_.pings_per_fence + fence.stage - 1;
  }
  unsigned stages() const noexcept {
    return R.two_pings ? config_.pings_per_fence : 1;
  }
  void send(Time now, LinkStatus& status, EventLinkActions& actions);
  void start_canary(Time now, EventLinkActions& actions);
  void give_up(LinkFault fault, LinkStatus& status, EventLinkActions& actions);

  EventLinkConfig config_;
  boost::container::small_vector<Fence, 4> outstanding_;
  std::uint64_t sent_ = 0;    // number of the newest fence started, over all connections
  std::uint64_t wanted_ = 0;  // the newest fence asked for
  Time last_sent_{};
  // A canary, or what is watched instead, on its way for so long that nothing says whether events
  // still come.
  bool canary_overdue(Time now) const noexcept {
    const Duration limit =
        config_.max_staleness > Duration::zero() ? config_.max_staleness : config_.canary_interval;
    return canary_ != Canary::idle && now - canary_since_ > limit;
  }

  Canary canary_ = Canary::idle;
  Time canary_since_{};
  Time next_canary_{};
  std::uint64_t canary_events_ = 0;
  std::uint64_t canary_events_before_ = 0;
  std::uint64_t canary_fence_ = 0;
  bool up_ = false;
  bool with_canary_ = false;
  bool proven_ = false;
};

using EventLink = BasicEventLink<>;
extern template class BasicEventLink<Rules{}>;

}  // namespace tiercache::coherence

#include "tiercache/coherence/event_link_impl.hpp"
