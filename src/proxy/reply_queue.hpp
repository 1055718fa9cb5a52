// The requests of one session that are not answered yet, in the order in which they came, and the
// answers that are ready behind them. A client gets its answers in exactly this order, whoever
// gives them: L1, a flight of another session, a link, the proxy itself.
//
// Owned by the session, used on its thread. A ring whose slots keep their memory; an idle session
// has none. Op& and pointers are valid until the next push().
#pragma once

#include "effects.hpp"
#include "exec_patch.hpp"
#include "load_shape.hpp"
#include "split.hpp"
#include "stale_mark.hpp"
#include "stamps.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/coherence/shard.hpp"
#include "tiercache/l2/link.hpp"
#include "tiercache/namespaces/set.hpp"
#include "tiercache/proxy/freshness.hpp"
#include "tiercache/proxy/identities.hpp"
#include "tiercache/proxy/slow_log.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::proxy {

struct Lane;

enum class OpKind : std::uint8_t {
  ready,      // answered when it came
  relay,      // Redis's reply, passed on as it comes
  script,     // held until the fence
  flight,     // this session's read that fills L1 and answers all who wait for it
  joined,     // waits for a flight
  multi,      // MGET that fills L1
  augmented,  // Redis's reply, changed before it is passed on
  trial,      // a PING that proves the link of a SELECT, HELLO or AUTH
  extension,  // somebody else answers
  queued,     // within MULTI
  part,       // of a command that was cut: its reply goes to the gathered one
  gathered,   // what the parts' replies become together; behind all of them
  internal,   // a request of the proxy's own on the session's link: nothing is passed on
};

// MGET's part of an Op.
struct MultiFill {
  struct Part {
    KeyHash hash = 0;
    coherence::FlightId flight = 0;
    std::int64_t pttl = 0;
    bool pttl_known = false;
    std::uint32_t position = 0;  // of its first occurrence in the reply
    namespaces::Index space = 0;
    Age age = Age::fresh;  // of a key that is loaded
  };
  std::vector<Part> parts;
  std::size_t pttl_replies = 0;
  bool given_up = false;  // the flights are over, the reply streams
};

// A read of keys that a source has if Redis has not.
struct Loading {
  LoadShape shape;
  std::vector<std::string> keys;
  Time asked;                               // before it was sent
  bool kept = true;                         // L1 may keep what Redis has
  std::vector<std::string> elements;        // multi: what was loaded, by position
  std::size_t missing = 0;                  // multi: loads under way
  Age age = Age::fresh;                     // flight: of what Redis has
  bool away = false;                        // flight: Redis has not answered
  Staleness stale{};                        // multi: of the reply
  bool asks_behind = false;                 // flight: a second PTTL follows it (presence.hpp)
  bool gone_behind = false;                 // and has not found the key
  std::optional<std::string> read_reply{};  // until then
};

// What the parts of one command have in common.
struct Gathered {
  Split split;  // its arguments are gone
  std::vector<std::string> replies;
  std::size_t bytes = 0;  // of them
  std::size_t missing = 0;
  Staleness stale{};
  std::uint64_t op = 0;  // the gathered one
};

// The rarely used half.
struct OpExtra {
  std::vector<std::string> args;        // augmented
  l2::LinkSpec spec;                    // trial: where the session goes
  std::string answer;                   // trial: what it is told there
  l2::LinkPtr link;                     // trial
  IdentityPtr identity;                 // trial: who it acts as there
  l2::LoginPtr login;                   // trial: of AUTH, what Redis is to accept
  std::optional<std::string> name;      // trial: HELLO's SETNAME
  bool asks = false;                    // trial: Redis may refuse; its error is the answer
  std::vector<Stamps::Subject> stamps;  // what Redis allows by answering
  Time asked{};                         // stamps: when it was asked, or earlier
  std::unique_ptr<Loading> loading;     // flight, multi: keys are loaded if Redis has them not
  MultiFill multi;                      // multi
  std::vector<std::uint32_t> selects;   // EXEC: SELECTs that ran within
  std::vector<LocalInExec> locals;      // EXEC: what the proxy answers
  std::size_t next_local = 0;
  std::shared_ptr<Gathered> gathered;  // part
  std::size_t part = 0;                // part: its number
  std::string error;                   // over a Cluster: of an error reply, what has come of it
  unsigned redirects = 0;              // how often it went elsewhere
  bool arrived = false;                // and there has a reply begun
};

struct Op {
  OpKind kind = OpKind::ready;
  bool done = false;        // all bytes of the answer are there and may go
  bool held = false;        // bytes are there and must not go yet
  bool started = false;     // the reply has begun
  bool owed = false;        // counted in the coherence session
  bool reading = false;     // on_read_sent was called for its keys
  bool unknown = false;     // the table does not know the command
  bool streaming = false;   // flight: too large or an error, over for L1, passed on as it comes
  bool pttl_bad = false;    // flight
  bool foreign = false;     // joined: the session waits for it
  bool alone = false;       // flight: only this session waits for it
  bool wide = false;        // on_wide_write_sent was called
  bool harmless = false;    // changes nothing, so that nothing is unknown if its link is lost
  bool repeatable = false;  // a read that may be sent again, once, if its link is lost
  bool muted = false;       // the client has asked for no answer
  bool exec = false;        // and its first byte shows that it ran:
  bool ran = false;
  bool vital = false;           // internal: the client believes that it works
  bool timed = false;           // how long it takes is of interest
  bool marks = false;           // the client has asked to be told what is stale
  std::uint16_t command = 0;    // flight, joined: which read
  namespaces::Index space = 0;  // flight
  std::uint8_t head_size = 0;
  std::size_t size = 0;                // of the whole request
  Time begun{};                        // timed: when it was dispatched
  std::array<char, kSlowHead> head{};  // timed: what it begins with
  std::int64_t pttl = 0;
  KeyHash hash = 0;
  coherence::FlightId flight = 0;
  Effects effects;
  std::size_t delivered = 0;  // of the answer: bytes that the client may have
  std::string request;        // its bytes, where they may have to be sent again, or elsewhere
  std::string out;            // answer bytes that wait for their turn
  std::string gather;         // the part of Redis's reply that must be seen whole
  coherence::Waiters waiters;
  Lane* lane = nullptr;  // where it went, or would have gone
  std::unique_ptr<OpExtra> extra;

  OpExtra& more() {
    if (!extra) {
      extra = std::make_unique<OpExtra>();
    }
    return *extra;
  }
  // A read of several keys that fills L1: a MGET, or a part of one.
  bool fills_keys() const {
    return extra && !extra->multi.parts.empty();
  }
  void reset();
};

// What an answer that comes whole begins with.
inline std::string mark_of(const Op& op) {
  return op.marks && op.extra && op.extra->loading ? stale_mark(op.extra->loading->stale)
                                                   : std::string();
}

class ReplyQueue {
 public:
  bool empty() const noexcept {
    return head_ == tail_;
  }
  std::size_t size() const noexcept {
    return static_cast<std::size_t>(tail_ - head_);
  }
  // Numbers grow by one for each request and are not used again.
  std::uint64_t next_id() const noexcept {
    return tail_;
  }
  std::uint64_t head_id() const noexcept {
    return head_;
  }
  bool contains(std::uint64_t id) const noexcept {
    return id >= head_ && id < tail_;
  }
  // REQUIRES: contains(id).
  Op& at(std::uint64_t id) {
    TC_CHECK(contains(id));
    return ring_[id & (ring_.size() - 1)];
  }
  const Op& at(std::uint64_t id) const {
    TC_CHECK(contains(id));
    return ring_[id & (ring_.size() - 1)];
  }
  Op& front() {
    return at(head_);
  }
  Op& push(OpKind kind);
  void pop();
  // Frees what a large burst has left. REQUIRES: empty().
  void release();
  // Now and then: frees what a smaller one has left, if nothing came since the last call.
  void tick();

 private:
  std::vector<Op> ring_;
  std::uint64_t head_ = 1;
  std::uint64_t tail_ = 1;
  std::uint64_t last_tick_ = 0;  // tail_ then
};

// A waiter's ticket in L1: which op of which session of which worker.
struct Ticket {
  static constexpr unsigned kOpBits = 24;
  static constexpr std::uint64_t kOpMask = (std::uint64_t{1} << kOpBits) - 1;

  std::uint32_t worker = 0;
  std::uint32_t session = 0;
  std::uint32_t op = 0;  // the low bits of its number

  coherence::Waiter pack() const noexcept {
    return std::uint64_t{worker} << 56 | std::uint64_t{session} << kOpBits | op;
  }
  static Ticket unpack(coherence::Waiter waiter) noexcept {
    return {static_cast<std::uint32_t>(waiter >> 56), static_cast<std::uint32_t>(waiter >> kOpBits),
            static_cast<std::uint32_t>(waiter & kOpMask)};
  }
};

}  // namespace tiercache::proxy
