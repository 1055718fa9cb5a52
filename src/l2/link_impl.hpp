// The one implementation of Link, shared or raw: a socket, a greeting, a FIFO. link.hpp is its
// contract; what stands here is how.
//
// Life: every handler under way holds a reference, so a link goes when the last of them, the last
// user and the pool have let go. Death is told from a handler of its own: never from within a call
// of the user.
#pragma once

#include "handshake.hpp"
#include "pending_ring.hpp"
#include "socket.hpp"

#include "tiercache/base/time.hpp"
#include "tiercache/io/poller.hpp"
#include "tiercache/l2/links.hpp"
#include "tiercache/resp/reply_scanner.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

namespace tiercache::l2 {

inline constexpr std::string_view kNoServer = "no master is known";

using LinkHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

class LinkImpl final : public Link,
                       public LinkHook,
                       private io::Stream::User,
                       private io::AtTurnEnd {
 public:
  // Shared, or raw: then it is nobody's until it is given away. Its place among the connections to
  // the server is taken already; it gives it back.
  LinkImpl(boost::asio::io_context& io, std::shared_ptr<const LinksConfig> config,
           const LinkSpec& spec, coherence::LinkId id, Handshake::Use use);
  // Once, after the first reference is taken. Without an endpoint it dies for want of one.
  void start(const std::optional<config::Endpoint>& endpoint);
  // REQUIRES: raw, nobody's.
  void give(ConsumerPtr owner) {
    owner_ = std::move(owner);
  }
  // Ends it now: what is pending is lost for the reason `why`.
  void die(std::string why);

  State state() const noexcept override {
    return state_;
  }
  std::string_view why() const noexcept override {
    return why_;
  }
  coherence::Place next_place() const noexcept override {
    return {id_, next_seq_, source_, spec_.user};
  }
  std::uint64_t upstream_id() const noexcept override {
    return upstream_id_;
  }
  void send(std::string_view request, Consumer& consumer, std::uint64_t tag) override;
  void send_raw(std::string_view bytes) override;
  void pass_through() override {
    pass_through_ = true;
  }
  void close() override;
  bool saturated() const noexcept override;
  void wait_room(Consumer& consumer) override;
  void pause_reading(bool paused) override;

  // For the pool. Since when it has been ready (kNever: it never was), and when it died.
  Time ready_at() const noexcept {
    return ready_at_;
  }
  Time died_at() const noexcept {
    return died_at_;
  }
  // Shared, ready, and nobody waits for a reply.
  bool idle() const noexcept {
    return state_ == State::ready && pending_.empty();
  }

 private:
  using Self = boost::intrusive_ptr<LinkImpl>;

  Self ref() {
    return Self(this);
  }
  void on_connected(const std::string& error, Socket socket);
  void on_ready();
  void read();
  void on_readable() override;
  void on_writable() override;
  void on_detached() override;
  void on_turn_end() override;
  void dispatch(std::string_view input);
  void look_at(std::string_view frame);
  void greet(std::string_view piece, bool last);
  void deliver(std::string_view piece, bool last);
  void watch();
  void look_later();
  void schedule_flush();
  void flush();
  bool has_room() const noexcept;
  void wake_waiters();
  void post_wake();
  void post_lost();
  void tell_lost();

  boost::asio::io_context& io_;
  const std::shared_ptr<const LinksConfig> config_;
  LinkSpec spec_;  // without the login, once that is done
  const coherence::LinkId id_;
  ConsumerPtr owner_;
  const bool raw_;

  State state_ = State::connecting;
  std::shared_ptr<Connector> connector_;
  boost::asio::steady_timer timer_;
  std::optional<Handshake> handshake_;
  std::string greeting_;  // the reply to the greeting that is being gathered

  io::Poller& poller_;
  io::Stream stream_;
  boost::intrusive_ptr<LinkImpl> alive_;  // itself, while the stream may call
  resp::ReplyScanner scanner_;
  bool between_frames_ = true;
  std::vector<char> buffer_;
  bool paused_ = false;
  bool pass_through_ = false;

  Output greeting_out_;
  Output out_;
  // Silence is counted in looks of a quarter of the time-out, so that a request costs no clock.
  bool watching_ = false;
  unsigned silent_looks_ = 0;  // since something was read
  bool write_waiting_ = false;

  PendingRing pending_;
  std::deque<ConsumerPtr> waiters_;
  bool wake_posted_ = false;
  bool lost_posted_ = false;

  std::uint64_t next_seq_ = 1;
  std::uint64_t source_ = 0;
  std::uint64_t upstream_id_ = 0;
  Time ready_at_ = kNever;
  Time died_at_ = kNever;
  std::string why_;
};

}  // namespace tiercache::l2
