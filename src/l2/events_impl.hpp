// The event link's shell: two connections, the machine that decides, and the watches. events.hpp is
// its contract.
//
// An attempt: the control connection comes first (AUTH, INFO, the notification flags), then the
// event connection. Any fault in either ends both, and a new attempt follows after the back-off; if
// the fault is that the transport does not work on this server, the next transport is tried at
// once. Answers of an attempt before this one are ignored.
//
// events_greeting.cpp: up to the subscription. events.cpp: from there. events_watch.cpp: canaries
// and polls.
#pragma once

#include "canary.hpp"
#include "control.hpp"
#include "event_stream.hpp"
#include "transport.hpp"

#include "tiercache/base/backoff.hpp"
#include "tiercache/base/mutex.hpp"
#include "tiercache/l2/events.hpp"

#include <atomic>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace tiercache::l2 {

class EventsImpl final : public std::enable_shared_from_this<EventsImpl>,
                         private Control::User,
                         private EventStream::User {
 public:
  EventsImpl(boost::asio::io_context& io, coherence::Cache& cache, Fences& fences,
             const EventsConfig& config, EventsListeners listeners, Events::Random random);

  void start();
  void stop();
  void relocate(const std::string& why);
  void set_intervals(const EventIntervals& intervals);
  void use_db(std::uint32_t db);
  EventsSnapshot snapshot() const;
  void query(std::uint32_t db, const std::vector<std::string_view>& args, Events::Answer answer);

 private:
  using Method = void (EventsImpl::*)(const Reply&);

  void on_control_up() override;
  void on_control_down(const std::string& why) override {
    lose(why);
  }
  void on_subscribed(std::string_view run_id) override;
  void on_key_event(std::uint32_t db, std::string_view key, std::string_view event) override;
  void on_invalidated(std::string_view key) override;
  void on_flushed() override;
  void on_pong(std::uint64_t payload) override;
  void on_stream_down(const std::string& why, EventStream::Fault fault) override;

  // An answer that counts only if this attempt still runs.
  Control::Answer then(Method method);
  void connect();
  void on_auth(const Reply& reply);
  void on_info(const Reply& reply);
  void on_statistics(const Reply& reply);
  void on_replication(const Reply& reply);
  void on_flags(const Reply& reply);
  void on_flags_set(const Reply& reply);
  void open_stream();
  void begin_ttl();
  void serve();
  coherence::EventLinkConfig link_config() const;
  void learn_commands();

  // The connection is lost.
  void lose(const std::string& why);
  // The transport does not work on this server.
  void refuse(const std::string& why);
  // Whichever it is: what worked before is only lost.
  void refuse_or_lose(const std::string& why) {
    was_live_ ? lose(why) : refuse(why);
  }
  void end_attempt(const std::string& why);
  void retry_after(Duration pause);
  void obey(coherence::EventLinkActions& actions);
  void tick();
  void arm();
  void on_wanted();
  void tell_change(std::string_view key, std::optional<std::uint32_t> db);
  void tell_any_change();
  void note_state();
  void note_transport();
  void publish();

  void write_canaries();
  void on_canary(std::uint32_t db, const std::string& value, const Reply& reply);
  void canaries_answered();
  void poll();
  void polled();
  void ask(std::initializer_list<std::string_view> args, Method method);
  void on_polled_ping(const Reply& reply);
  void on_polled_info(const Reply& reply);
  void on_polled_replication(const Reply& reply);
  void on_polled_flags(const Reply& reply);
  void on_polled_statistics(const Reply& reply);

  static Time now() {
    return std::chrono::steady_clock::now();
  }

  boost::asio::io_context& io_;
  coherence::Cache& cache_;
  coherence::LinkStatus& status_;
  Fences& fences_;
  EventsConfig config_;  // only the intervals change
  const EventsListeners listeners_;
  const Events::Random random_;
  const std::string canary_prefix_;  // of every proxy's
  const std::string canary_key_;
  const std::string unused_prefix_;

  coherence::EventLink link_;
  coherence::EventLinkActions actions_;
  std::shared_ptr<Control> control_;
  std::shared_ptr<EventStream> stream_;
  boost::asio::steady_timer tick_timer_;
  boost::asio::steady_timer retry_timer_;
  Backoff backoff_;
  Ladder ladder_;
  bool stopped_ = false;
  // Of this attempt.
  std::uint64_t attempt_ = 0;
  config::Endpoint server_;
  bool greeted_ = false;     // the control connection is set up
  bool subscribed_ = false;  // link_ knows of it
  bool was_live_ = false;
  bool flags_known_ = false;  // Redis has said that it sends keyspace events
  bool info_refused_ = false;

  Canary canary_;
  bool canary_on_ = false;
  struct {
    std::size_t unanswered = 0;
    bool surprise = false;
    bool refused = false;
  } round_;
  Time next_poll_{};
  unsigned polls_unanswered_ = 0;
  bool statistics_known_ = false;
  std::string statistics_;

  coherence::LinkState logged_state_ = coherence::LinkState::down;
  std::string logged_error_;
  std::string noted_transport_;
  EventsSnapshot known_;
  std::atomic<std::uint64_t> events_{0};
  // Set by whoever comes to use a db, before its first read there is sent, and so before any change
  // of what that read can show.
  std::atomic<std::uint64_t> used_dbs_{1};  // of the first 64
  std::atomic<bool> far_db_used_{false};    // one beyond these
  mutable Mutex mutex_;
  EventsSnapshot published_ TC_GUARDED_BY(mutex_);
};

}  // namespace tiercache::l2
