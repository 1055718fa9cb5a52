// A data link: one connection to Redis, its requests pipelined, its replies handed out in order.
// Owned by one I/O thread; every call and callback happens there. Bytes are relayed as they come:
// a reply is passed on piece by piece, never gathered here.
//
// A link connects and greets (AUTH, HELLO 3, SELECT, INFO server) by itself; requests given to it
// meanwhile wait. It lives for one connection: when that ends, or never comes to be, each request
// that still waits for a reply is told so once (on_lost) and the link is dead. The pool makes a
// new one, with another id. It sends no request twice.
//
// A shared link that owes a reply and brings nothing for `response_timeout` ends, as if Redis had
// closed it. What connects next has `connect_timeout`, and then the pool's back-off runs: so where
// a server hangs one connection at a time tries it, and requests are refused at once meanwhile.
//
// Limits: with `max_pending` requests or `max_output` bytes not yet written it is saturated().
// Whoever sends asks that first, and waits (wait_room): the link itself refuses nothing.
#pragma once

#include "tiercache/coherence/shard.hpp"
#include "tiercache/resp/encoder.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

#include <boost/intrusive_ptr.hpp>

namespace tiercache::l2 {

// Who waits for replies. Counted without atomics: it stays on its thread. A consumer lives at
// least until the last of its replies came or was lost, whatever became of its client.
class Consumer {
 public:
  Consumer() = default;
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  // A piece of the reply to the request sent with `tag`; `last`: the reply ends with it. Pieces
  // of one reply follow each other. The bytes are valid during the call only.
  virtual void on_reply(std::uint64_t tag, std::string_view piece, bool last) = 0;
  // No (further) reply will come for `tag`: the link is gone, the outcome unknown.
  virtual void on_lost(std::uint64_t tag, std::string_view why) = 0;
  // Raw links only: a piece of any frame that Redis sends, push or reply; `push`: a RESP3 push.
  virtual void on_frame(std::string_view piece, bool last, bool push);
  // Raw links only: the link is dead.
  virtual void on_closed(std::string_view why);
  // The link given to wait_room has room again, or is dead.
  virtual void on_room();

 protected:
  virtual ~Consumer() = default;

 private:
  friend void intrusive_ptr_add_ref(Consumer* consumer) noexcept {
    consumer->references_++;
  }
  friend void intrusive_ptr_release(Consumer* consumer) noexcept {
    if (--consumer->references_ == 0) {
      delete consumer;
    }
  }
  std::uint32_t references_ = 0;
};
using ConsumerPtr = boost::intrusive_ptr<Consumer>;

// What a client said to log in. Constant; kept in memory by whoever may have to open another link
// as that user, and told to nobody but Redis.
struct Login {
  std::string user;
  std::string password;
  bool named = true;  // AUTH user password; else AUTH password, which is not quite the same
};
using LoginPtr = std::shared_ptr<const Login>;

// What a connection is set to; links are shared by sessions of the same spec.
struct LinkSpec {
  // The user that the proxy is configured as, or Redis's default user if it is none.
  static constexpr std::uint64_t kProxy = 0;
  // A script may keep Redis busy until it is killed. Meanwhile Redis answers only those who are not
  // behind it on its connection, so scripts have one of their own.
  enum class Traffic : std::uint8_t { commands, scripts };

  std::uint32_t db = 0;
  resp::Version version = resp::Version::resp2;
  // Who acts on it: a number that stands for one user, never for another one later.
  std::uint64_t user = kProxy;
  // How that user logs in; null: it does not. Not part of what is compared: passwords change.
  LoginPtr login = nullptr;
  Traffic traffic = Traffic::commands;

  friend bool operator==(const LinkSpec& a, const LinkSpec& b) {
    return a.db == b.db && a.version == b.version && a.user == b.user && a.traffic == b.traffic;
  }
  friend bool operator<(const LinkSpec& a, const LinkSpec& b) {
    return std::tie(a.user, a.db, a.version, a.traffic) <
           std::tie(b.user, b.db, b.version, b.traffic);
  }
};

class Link {
 public:
  enum class State : std::uint8_t { connecting, ready, dead };

  virtual State state() const noexcept = 0;
  // Why it is dead, as on_lost says.
  virtual std::string_view why() const noexcept = 0;
  // Where a read sent next would go: the link's id (never used again), the request's number on
  // it, and the server process behind it (0 until known).
  virtual coherence::Place next_place() const noexcept = 0;

  // Raw links: Redis's id of the connection (CLIENT ID); 0 until it is ready, or if Redis does not
  // tell.
  virtual std::uint64_t upstream_id() const noexcept {
    return 0;
  }

  // One request, one reply. REQUIRES: not dead, matched link. Written at the end of the wake-up,
  // together with all else that this thread sends on the link.
  virtual void send(std::string_view request, Consumer& consumer, std::uint64_t tag) = 0;
  // Raw links: any bytes; what comes back goes to the owner's on_frame.
  virtual void send_raw(std::string_view bytes) = 0;
  // Raw links: from the next byte read, what comes is no RESP (a replica's stream) and handed out
  // as it comes, each piece as a frame of its own.
  virtual void pass_through() {
  }
  // Raw links: the owner is done and hears nothing more. Bytes already sent may still be executed.
  virtual void close() = 0;

  virtual bool saturated() const noexcept = 0;
  // Calls consumer.on_room() once, later.
  virtual void wait_room(Consumer& consumer) = 0;
  // Raw links: stop and go on reading, so that a client that does not read stops Redis too. What
  // has been read already, one read buffer at most, is still handed out.
  virtual void pause_reading(bool paused) = 0;

 protected:
  virtual ~Link() = default;

 private:
  friend void intrusive_ptr_add_ref(Link* link) noexcept {
    link->references_++;
  }
  friend void intrusive_ptr_release(Link* link) noexcept {
    if (--link->references_ == 0) {
      delete link;
    }
  }
  std::uint32_t references_ = 0;
};
using LinkPtr = boost::intrusive_ptr<Link>;

// The links of one I/O thread.
class Links {
 public:
  virtual ~Links() = default;

  // The shared link for the spec, connecting it if need be. Null while Redis is away and the
  // back-off runs, or where there are as many connections as there may be: then `why_not()` says
  // why, for an error to the client ("-ERR ...": as it is). A db or a login that Redis refuses
  // shows as a link that dies with Redis's own error, "-ERR ...", as the reason.
  virtual LinkPtr shared(const LinkSpec& spec) = 0;
  // A raw link of its own for one session, which is kept alive by it until closed. Null where there
  // are too many connections, as above; a server that is away shows as on_closed.
  virtual LinkPtr own(const LinkSpec& spec, Consumer& owner) = 0;
  virtual std::string_view why_not() const noexcept = 0;
  // The server they lead to, for people.
  virtual std::string where() const = 0;
  // A shared link that is nobody's yet, to see whether Redis accepts the spec's login. Null as
  // own() is.
  virtual LinkPtr candidate(const LinkSpec& spec) = 0;
  // A candidate that is ready and owes nothing becomes the shared link of its spec, unless there is
  // one that works: then it is closed. Returns the shared one.
  virtual LinkPtr adopt(const LinkSpec& spec, const LinkPtr& candidate) = 0;
  // Closes the shared links of users for whom `in_use` is false. What they owe is lost.
  virtual void drop_users(const std::function<bool(std::uint64_t user)>& in_use) = 0;
  // Ends every link; pending requests are lost.
  virtual void close_all() = 0;
};

}  // namespace tiercache::l2
