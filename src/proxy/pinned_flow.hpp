// What is owed on a pinned link and what state hangs on it. A pinned session relays everything;
// this class reads along and says of each frame from Redis whether it answers a request, and which,
// or is a message of its own (a push, pub/sub, a MONITOR line); and when the connection is as good
// as new, so that the session may go back to the shared links.
//
// Two points in time matter: a request is judged when it is sent (is it queued by MULTI? will it be
// answered at all?), state that Redis may refuse is taken up when the reply says so.
//
// Pure. Owned by the session, used on its thread. Memory: one entry for each request outstanding.
#pragma once

#include "tiercache/command/command.hpp"
#include "tiercache/resp/encoder.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace tiercache::proxy {

class PinnedFlow {
 public:
  // Of a frame, at least so much must be shown, or all of it.
  static constexpr std::size_t kHead = 64;
  static constexpr std::size_t kTail = 32;

  PinnedFlow(std::uint32_t db, resp::Version version) : db_(db), version_(version) {
  }

  struct Sent {
    bool answered = true;  // a reply will come
    bool queued = false;   // runs with the EXEC to come
    bool exec = false;     // runs what was queued
    bool discard = false;  // drops what was queued
    bool settles = false;  // send nothing more until it is answered: db, version or all may change
  };
  // A request is about to be sent. `command` is null if unknown or the arity does not fit; `op` is
  // told back with its reply.
  Sent on_request(const command::Command* command, command::Route route, command::Args args,
                  std::uint64_t op);

  // Of channels and patterns, not of shard channels.
  enum class PubSubFrame : std::uint8_t { none, message, confirmation };
  struct Frame {
    bool answers = false;  // else it is passed on, owed to nobody
    std::uint64_t op = 0;
    PubSubFrame pubsub = PubSubFrame::none;
  };
  // A frame begins: its first bytes.
  Frame on_frame(std::string_view head, bool push);
  // The frame ends. True if the request it answers is now answered in full (SUBSCRIBE of several
  // channels has several frames).
  bool on_frame_end(std::string_view head, std::string_view tail);

  // Nothing is owed and no state is left: the session may leave.
  bool clean() const noexcept;
  // Within MULTI as of the requests sent.
  bool in_multi() const noexcept {
    return in_multi_;
  }
  // No request is answered now (CLIENT REPLY OFF).
  bool silent() const noexcept {
    return silent_ || skip_next_;
  }
  // May wait for ever: when the client goes, nothing is worth waiting for.
  bool endless() const noexcept;
  // In RESP2 a subscriber may say little else, as of the replies received.
  bool subscriber() const noexcept {
    return version_ == resp::Version::resp2 && subscriptions() > 0;
  }
  // Waits in a blocking command, which every answer to come stands behind.
  bool blocked() const noexcept {
    return !pending_.empty() && pending_.front().verb == Verb::blocking;
  }
  bool monitoring() const noexcept {
    return monitoring_;
  }
  bool tracking() const noexcept {
    return tracking_;
  }
  // A replica's stream: bytes go both ways as they are, and no request is answered.
  bool streaming() const noexcept {
    return streaming_;
  }
  // Channels, patterns and shard channels subscribed to, as of the replies received.
  const std::array<std::uint64_t, 3>& counts() const noexcept {
    return counts_;
  }
  // Requests queued by MULTI, as of the requests sent.
  std::uint64_t queued() const noexcept {
    return queued_;
  }
  // A reply to come may change that.
  bool subscribing() const noexcept;
  // State that the client believes in: if the link is lost, so must its connection be.
  bool has_state() const noexcept;
  // Another session may not continue on this connection, even though it is clean.
  bool tainted() const noexcept {
    return tainted_;
  }
  // The user that has logged in on this very connection; empty: it is whoever it was made for, or
  // since RESET Redis's default user.
  const std::string& logged_in_as() const noexcept {
    return login_;
  }
  // RESET has worked.
  bool was_reset() const noexcept {
    return was_reset_;
  }
  std::uint32_t db() const noexcept {
    return db_;
  }
  resp::Version version() const noexcept {
    return version_;
  }
  std::size_t pending() const noexcept {
    return pending_.size();
  }

 private:
  enum class Verb : std::uint8_t {
    plain,
    multi,
    exec,
    discard,
    watch,
    unwatch,
    subscribe,
    unsubscribe,
    monitor,
    reset,
    tracking_on,
    tracking_off,
    select,
    hello,
    auth,
    sticky,  // leaves state that we do not follow
    stream,  // SYNC, PSYNC: what comes then are no frames
    blocking,
  };
  // Channels, patterns, shard channels.
  enum class Topic : std::uint8_t { channel, pattern, shard };

  struct Pending {
    Verb verb = Verb::plain;
    Topic topic = Topic::channel;
    bool auth = false;    // hello, auth
    bool queued = false;  // if MULTI was accepted: then `verb` is plain, and meant:
    Verb meant = Verb::plain;
    std::uint64_t op = 0;
    std::uint64_t number = 0;  // of all requests, the silent ones included
    std::uint64_t frames = 1;  // confirmations still to come; 0: not known yet
    std::uint32_t value = 0;   // select: the db; hello: the version, 0 = as it is
    std::string user{};        // auth: who logs in
  };
  struct PubSub {
    bool is = false;
    bool message = false;
    bool adds = false;
    Topic topic = Topic::channel;
  };

  static Pending classify(const command::Command* command, command::Route route,
                          command::Args args);
  static PubSub pubsub_of(std::string_view head);
  bool confirms(const PubSub& what, bool push) const noexcept;
  void count(const PubSub& what, std::string_view tail) noexcept;
  void settle(const Pending& pending, std::string_view head);
  void reset_state() noexcept;
  std::uint64_t subscriptions() const noexcept {
    return counts_[0] + counts_[1] + counts_[2];
  }

  std::deque<Pending> pending_;
  std::uint64_t number_ = 0;
  std::uint64_t last_silent_ = 0;
  std::uint64_t last_answered_ = 0;

  // As of the requests sent.
  bool in_multi_ = false;
  std::uint64_t queued_ = 0;
  bool silent_ = false;
  bool skip_next_ = false;
  bool streaming_ = false;
  // As of the replies received.
  bool multi_ = false;
  bool watching_ = false;
  bool monitoring_ = false;
  bool tracking_ = false;
  bool sticky_ = false;
  bool tainted_ = false;
  bool was_reset_ = false;
  std::string login_;
  std::array<std::uint64_t, 3> counts_{};
  std::uint32_t db_;
  resp::Version version_;

  // The frame under way.
  bool frame_answers_ = false;
  bool frame_confirms_ = false;
  PubSub frame_pubsub_;
};

}  // namespace tiercache::proxy
