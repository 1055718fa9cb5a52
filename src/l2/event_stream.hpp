// The event connection: one RESP2 connection that carries the changes of keys (keyspace events or
// tracking's invalidations), the NULL payload of a flush, and the PINGs, so that all three have one
// order. It greets and subscribes by itself, then tells its user what comes, in that order.
//
// Owned by the event link through a shared_ptr; one thread.
#pragma once

#include "event_frame.hpp"
#include "wire.hpp"

#include "tiercache/base/time.hpp"
#include "tiercache/l2/events.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::l2 {

struct StreamSpec {
  std::string user;
  std::string password;
  Transport transport = Transport::keyspace;  // not ttl
  // Of tracking; empty: every key. With keyspace events: one that no key begins with.
  std::vector<std::string> prefixes;
};

class EventStream final : private Wire::User {
 public:
  enum class Fault : std::uint8_t {
    broken,
    refused,  // Redis does not let us, and will not the next time
  };
  class User {
   public:
    virtual void on_subscribed(std::string_view run_id) = 0;
    virtual void on_key_event(std::uint32_t db, std::string_view key, std::string_view event) = 0;
    // The key has changed in some db.
    virtual void on_invalidated(std::string_view key) = 0;
    // FLUSHALL, FLUSHDB, DEBUG RELOAD, a resync, or something we cannot tell apart from these.
    virtual void on_flushed() = 0;
    virtual void on_pong(std::uint64_t payload) = 0;
    virtual void on_stream_down(const std::string& why, Fault fault) = 0;

   protected:
    ~User() = default;
  };

  EventStream(boost::asio::io_context& io, const config::Endpoint& endpoint, StreamSpec spec,
              User& user);
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;
  ~EventStream();

  void start(Duration limit) {
    wire_->start(limit);
  }
  // The user hears nothing more.
  void close();
  // Appends a PING; flush() sends.
  void ping(std::uint64_t payload);
  void flush() {
    wire_->flush();
  }

 private:
  // What the next reply answers.
  enum class Step : std::uint8_t { auth, info, id, tracking, invalidations, events, subscribed };

  void on_up() override;
  std::size_t on_bytes(std::string_view bytes) override;
  void on_down(const std::string& why) override;
  void on_frame(const EventFrame& frame);
  void greet(const EventFrame& frame);
  void on_message(const EventFrame& frame);
  void subscribe(std::string_view client_id);
  void subscribed();
  void on_invalidation(const EventFrame& frame);
  void on_error(std::string_view text);
  void fail(const std::string& why, Fault fault = Fault::broken);

  const StreamSpec spec_;
  User* user_;
  const std::shared_ptr<Wire> wire_;
  Step step_ = Step::auth;
  std::string run_id_;
  std::size_t keys_left_ = 0;  // of an invalidation under way
};

}  // namespace tiercache::l2
