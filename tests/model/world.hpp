// A world small enough to be explored whole: the real coherence classes (Cache, Session,
// EventLink) between a model Redis and a few clients. Everything that may happen next is one
// numbered step: a session issues its next operation, Redis executes the head of a connection, the
// proxy reads the head of a reply queue or of the event stream, a mail crosses threads, somebody
// writes to Redis directly, a connection breaks. A world can be copied, so any step can be tried.
//
// A value is its version: the number of the write that made it. So the promises can be checked on
// the spot, and a violation is a short word (`violation()`).
#pragma once

#include "tiercache/coherence/cache.hpp"
#include "tiercache/coherence/event_link.hpp"
#include "tiercache/coherence/run.hpp"
#include "tiercache/coherence/session.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/container/small_vector.hpp>

namespace model {

using namespace tiercache;
using coherence::Rules;

// Operations of a session, one letter each.
//   R r  read key a, b (GET)       Q    read key a by another command
//   W w  write key a, b            N    write both at once (MSET)
//   M    read both at once (MGET)  P    read of a that passes L1 by
//   L    script that writes a without declaring it
//   X    WATCH a: the session gets its own link   E  EXEC that writes a, and back
//   U    UNWATCH, and back         B    blocking write of a (while on its own link)
//   F    FLUSHALL
struct Script {
  std::string name;
  std::vector<std::string> sessions;
  unsigned direct_a = 0;     // writes of a past the proxy
  unsigned direct_both = 0;  // the same for both keys at once
  unsigned direct_flush = 0;
  unsigned event_losses = 0;
  unsigned data_losses = 0;
  unsigned heartbeats = 1;        // PINGs nobody asked for
  unsigned depth = 1;             // operations a session has outstanding
  unsigned stripes = 64;          // 1: the keys collide
  bool tracking = false;          // BCAST tracking in place of keyspace events
  bool age = false;               // no events at all: entries live for max_staleness
  bool one_link = false;          // all sessions on one thread
  bool every_hit_fenced = false;  // max_staleness = 0
  bool session_scripts = false;   // coherence = "session"
  unsigned ticks = 0;             // steps of time, a millisecond each
  bool expires = false;           // key a expires at time 2
  bool short_staleness = false;   // max_staleness is one step of time
  bool pttl_apart = false;        // time and others come between a read and its PTTL
  unsigned failovers = 0;         // the event link reaches another server, the data links do not
  // With a canary, asked for once at any time:
  unsigned deafenings = 0;  // notifications are switched off
  unsigned swaps = 0;       // SWAPDB, of which no event tells
  bool with_canary() const {
    return deafenings + swaps > 0;
  }
};

// Short, and copied all the time.
template <class T>
using Queue = boost::container::small_vector<T, 2>;
template <class T>
void pop_front(Queue<T>& queue) {
  queue.erase(queue.begin());
}

inline constexpr unsigned kKeys = 2;
using Versions = std::array<std::uint8_t, kKeys>;

inline std::uint8_t version_of(std::string_view reply) {
  unsigned version = 0;
  std::from_chars(reply.data(), reply.data() + reply.size(), version);
  return static_cast<std::uint8_t>(version);
}

template <Rules R>
class World {
 public:
  explicit World(const Script& script);

  // The steps that are possible now, as opaque numbers.
  void steps(std::vector<std::uint16_t>& out) const;
  void apply(std::uint16_t step);
  std::string describe(std::uint16_t step) const;
  // Empty while all promises hold.
  const std::string& violation() const {
    return violation_;
  }
  // Nothing is under way and no session has anything left: checks the end state.
  void check_end();
  template <class Sink>
  void digest(Sink&& sink) const;

 private:
  enum class Kind : std::uint8_t {
    issue,
    exec,
    read,
    orphan,
    event_exec,
    event_tick,
    event_read,
    mail,
    release,
    heartbeat,
    direct_a,
    direct_both,
    direct_flush,
    event_break,
    event_notice,
    event_connect,
    data_break,
    time,
    failover,
    deafen,
    swap,
    canary_tick,
    canary_exec,
    canary_read
  };
  struct Op {
    char letter = 0;
    std::uint8_t index = 0;  // in the session's script
    bool ready = false;
    bool wide_done_due = false;
    bool unpins = false;
    std::uint8_t reads = 0;  // keys noted with on_read_sent, as bits
    std::uint8_t mask = 0;   // keys whose versions `value` has
    Versions value{};
    Versions floor{};        // what had been delivered to anybody when this was issued
    Versions current{};      // what Redis held then
    Versions least{};        // joined: the oldest that was allowed then
    std::uint64_t hold = 0;  // PING to wait for before the reply goes out
    bool failed = false;
    bool exec_ok = false;
    int watched = -1;
  };
  struct Client {
    std::uint8_t next = 0;
    std::uint8_t link = 0;  // index into links_
    bool pinned = false;
    bool moving = false;
    bool unpin_due = false;
    bool foreign_wait = false;
    std::uint64_t wait_ping = 0;
    bool watched_read = false;  // a read of a was delivered between WATCH and EXEC
    std::uint8_t watched_value = 0;
    Versions seen{};
    Queue<Op> ops;
    coherence::BasicSession<R> order;
  };
  struct Request {
    char letter = 0;
    std::uint8_t client = 0;
    std::uint8_t op = 0;
    std::array<coherence::FlightId, kKeys> flights{};
    // Filled in when Redis executes it.
    Versions value{};
    std::int64_t pttl = -1;
    int watched = -1;
    bool exec_ok = false;
    bool pttl_due = false;  // the read has been executed, its PTTL has not
    bool old_server = false;
  };
  struct Link {
    coherence::LinkId id = 0;
    std::uint64_t sent = 0;
    Queue<Request> requests;
    Queue<Request> replies;
    int watched = -1;         // version of a at WATCH
    bool old_server = false;  // it reaches the server from before the failover
  };
  struct Event {
    enum class Kind : std::uint8_t { key, null, pong, canary } kind = Kind::key;
    std::uint64_t value = 0;  // key, or payload of the PONG
  };
  struct Mail {
    std::uint8_t op = 0;
    std::uint8_t value = 0;
    bool lost = false;
  };

  void redis_write(std::uint8_t mask);
  void redis_flush();
  void redis_expire();
  bool redis_has_none_of_a(std::uint8_t version) const {
    return expiry_version_ != 0 && version == expiry_version_;
  }
  void emit(Event event);
  void redis_execute(Request& request, Link& link);

  void issue(unsigned client);
  void dispatch(unsigned client, Op& op, std::uint64_t fenced_by);
  void read_one(unsigned client, Op& op, unsigned key, std::uint16_t command,
                std::uint64_t fenced_by);
  void read_both(unsigned client, Op& op, std::uint64_t fenced_by);
  void need_ping(std::uint64_t ping);
  void end_barriers(const Request& request);
  void pass(Op& op, const Request& request, std::uint8_t mask);
  void send(unsigned client, Op& op, Request request);
  void reply(unsigned link);
  void answer(unsigned client, std::uint8_t op, std::uint8_t key, std::uint8_t value, bool lost);
  void finish(unsigned client, Op& op);
  void drain(unsigned client);
  void move_if_drained(unsigned client);
  void lose(unsigned link);
  void read_divided(unsigned client, Op& op, Request& request);
  coherence::Fill fill_of(const Request& request, unsigned key) const;
  void lose_feed(bool noticed);
  void apply_fault(Kind kind, coherence::EventLinkActions& actions);
  std::string describe_fault(Kind kind) const;
  void check_hit(const Op& op, unsigned key, std::uint8_t version);
  void check_snapshot(const Versions& value);
  void fail(const char* what) {
    if (violation_.empty()) {
      violation_ = what;
    }
  }
  Op* find(unsigned client, std::uint8_t index);
  l1::Key key(unsigned index) const;
  unsigned thread_of(unsigned client) const {
    return script_->one_link ? 0 : client % 2;
  }
  bool no_fence_comes() const {
    const coherence::View view = cache_.status().view();
    return view.state == coherence::LinkState::down || view.proof == coherence::Proof::age;
  }
  void obey(const coherence::EventLinkActions& actions);
  Time now() const {
    return Time(std::chrono::milliseconds(1000 + time_));
  }

  const Script* script_;
  // Redis.
  Versions versions_{};
  std::uint8_t writes_ = 0;
  std::vector<std::uint8_t> history_{0};  // mask of keys by version
  bool has_ttl_ = false;
  std::uint8_t expiry_version_ = 0;
  std::uint8_t time_ = 0;
  std::vector<Versions> ended_{};  // what Redis held at the end of each step of time
  Versions old_versions_{};        // what the server from before the failover holds
  unsigned failovers_, deafenings_, swaps_, canaries_;
  bool deaf_ = false;
  bool unheard_of_ = false;  // something that no event tells and no canary has met yet
  bool swapped_ = false;     // the canary's old value is gone
  unsigned direct_a_, direct_both_, direct_flush_, event_losses_, data_losses_, heartbeats_;
  // Connections.
  std::vector<Link> links_;
  Queue<Request> orphans_;  // sent on a link that broke, perhaps executed yet
  Queue<std::uint64_t> pings_;
  Queue<Event> events_;
  Queue<Event> hidden_;  // tracking: not flushed to the socket yet
  std::uint8_t invalidated_ = 0;
  bool null_due_ = false;
  enum class Feed : std::uint8_t { up, broken, noticed } feed_ = Feed::up;
  enum class Canary : std::uint8_t { none, sent, replied, surprised } canary_ = Canary::none;
  // The proxy.
  coherence::BasicCache<R> cache_;
  coherence::BasicEventLink<R> event_link_;
  std::vector<Client> clients_;
  std::vector<Queue<Mail>> mail_;
  Versions delivered_{};
  Queue<std::pair<std::uint64_t, Versions>> at_ping_;  // what Redis held when the PING was sent
  coherence::LinkId next_link_ = 1;
  std::string violation_;
};

}  // namespace model

#include "world_checks.hpp"
#include "world_digest.hpp"
#include "world_faults.hpp"
#include "world_proxy.hpp"
#include "world_redis.hpp"
#include "world_replies.hpp"
