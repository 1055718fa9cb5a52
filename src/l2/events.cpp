// The event link's life: connect, greet, subscribe, serve, lose. The watches are in
// events_watch.cpp.
#include "tiercache/l2/events.hpp"

#include "command_reply.hpp"
#include "events_impl.hpp"
#include "notifications.hpp"
#include "server_info.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

namespace tiercache::l2 {

using coherence::LinkFault;
using coherence::LinkState;

namespace {

std::string hex(std::uint64_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4U) {
    text[i] = kDigits[value & 15U];
  }
  return text;
}

}  // namespace

EventsImpl::EventsImpl(boost::asio::io_context& io, coherence::Cache& cache, Fences& fences,
                       const EventsConfig& config, EventsListeners listeners, Events::Random random)
    : io_(io),
      cache_(cache),
      status_(cache.status()),
      fences_(fences),
      config_(config),
      listeners_(std::move(listeners)),
      random_(std::move(random)),
      canary_key_(config.canary_prefix + ":canary:" + config.proxy_id),
      unused_prefix_("tiercache:no-key-begins-like-this:" + hex(random_()) + hex(random_()) + ":"),
      link_(config.link),
      tick_timer_(io),
      retry_timer_(io),
      backoff_(config.backoff_min, config.backoff_max) {
}

void EventsImpl::start() {
  fences_.attach([this, weak = weak_from_this()] {
    boost::asio::post(io_, [weak] {
      if (const auto self = weak.lock()) {
        self->on_wanted();
      }
    });
  });
  connect();
}

void EventsImpl::stop() {
  if (stopped_) {
    return;
  }
  stopped_ = true;
  fences_.detach();
  lose("stopped");
}

void EventsImpl::connect() {
  attempt_++;
  control_ = std::make_shared<Control>(io_, config_.upstream, static_cast<Control::User&>(*this));
  control_->start(config_.connect_timeout);
}

Control::Answer EventsImpl::then(Method method) {
  return [weak = weak_from_this(), attempt = attempt_, method](const Result<Reply>& reply) {
    const auto self = weak.lock();
    if (self && self->attempt_ == attempt && reply) {
      (self.get()->*method)(reply.value());
    }
  };
}

void EventsImpl::on_control_up() {
  if (!config_.password.empty()) {
    if (config_.user.empty()) {
      control_->query({"AUTH", config_.password}, then(&EventsImpl::on_auth));
    } else {
      control_->query({"AUTH", config_.user, config_.password}, then(&EventsImpl::on_auth));
    }
  }
  control_->query({"INFO", "server"}, then(&EventsImpl::on_info));
  control_->query({"INFO", "replication"}, then(&EventsImpl::on_replication));
  control_->query({"CONFIG", "GET", "notify-keyspace-events"}, then(&EventsImpl::on_flags));
}

void EventsImpl::on_auth(const Reply& reply) {
  if (reply.is_error()) {
    lose("-" + reply.text);
  }
}

void EventsImpl::on_info(const Reply& reply) {
  known_.run_id = info_field(reply.text, "run_id");
  known_.version = info_field(reply.text, "redis_version");
  if (known_.run_id.empty()) {
    lose(reply.is_error() ? "-" + reply.text : "INFO does not name the server's run_id");
  }
}

void EventsImpl::on_replication(const Reply& reply) {
  known_.role = info_field(reply.text, "role");
}

void EventsImpl::on_flags(const Reply& reply) {
  if (reply.kind != Reply::Kind::array || reply.items.size() < 2) {
    // Where CONFIG is not ours the canary still proves that events come.
    if (!config_.link.canary) {
      lose(
          "CONFIG GET notify-keyspace-events is refused and the canary is off: nothing proves "
          "that Redis sends events");
      return;
    }
    open_stream();
    return;
  }
  const std::string& flags = reply.items[1].text;
  if (notifications_suffice(flags)) {
    open_stream();
    return;
  }
  const std::string needed = with_needed_notifications(flags);
  if (!config_.manage_notifications) {
    lose(
        "Redis does not send the events we need, so nothing is served from memory: run CONFIG SET "
        "notify-keyspace-events " +
        needed + " on it, or set coherence.manage_notifications = true");
    return;
  }
  spdlog::info("event link: setting notify-keyspace-events from \"{}\" to \"{}\"", flags, needed);
  control_->query({"CONFIG", "SET", "notify-keyspace-events", needed},
                  then(&EventsImpl::on_flags_set));
}

void EventsImpl::on_flags_set(const Reply& reply) {
  if (reply.is_error()) {
    lose("Redis does not send the events we need and refuses CONFIG SET (" + reply.text +
         "), so nothing is served from memory: set notify-keyspace-events to \"KA\" there");
    return;
  }
  open_stream();
}

void EventsImpl::open_stream() {
  control_->ready();
  greeted_ = true;
  stream_ = std::make_shared<EventStream>(io_, config_.upstream, config_.user, config_.password,
                                          unused_prefix_, static_cast<EventStream::User&>(*this));
  stream_->start(config_.connect_timeout);
}

void EventsImpl::on_subscribed(std::string_view run_id) {
  if (run_id != known_.run_id) {
    lose("two connections to Redis reached two servers");
    return;
  }
  if (listeners_.on_server_known) {
    listeners_.on_server_known(known_.version, known_.run_id);
  }
  learn_commands();
  known_.connects++;
  subscribed_ = true;
  canary_.reset();
  canary_on_ = config_.link.canary;
  round_ = {};
  polls_unanswered_ = 0;
  statistics_known_ = false;
  next_poll_ = canary_on_ ? now() + config_.link.canary_interval : now();
  link_.on_subscribed(source_of(run_id), now(), status_, actions_);
  obey(actions_);
  arm();
}

void EventsImpl::learn_commands() {
  if (!listeners_.on_commands) {
    return;
  }
  control_->query_raw({"COMMAND"}, [weak = weak_from_this(),
                                    attempt = attempt_](std::string_view frame) {
    const auto self = weak.lock();
    if (!self || self->attempt_ != attempt) {
      return;
    }
    auto commands = read_command_reply(frame);
    if (!commands) {
      spdlog::warn("event link: the server's commands are not known: {}", commands.error().detail);
      return;
    }
    self->listeners_.on_commands(std::move(commands).value());
  });
}

void EventsImpl::lose(const std::string& why) {
  if (subscribed_) {
    subscribed_ = false;
    known_.losses++;
    // Unless the machine gave it up by itself.
    if (status_.view().state != LinkState::down) {
      link_.on_lost(status_);
    }
  }
  attempt_++;
  greeted_ = false;
  known_.canary = false;
  tick_timer_.cancel();
  if (control_) {
    control_->close();
  }
  if (stream_) {
    stream_->close();
  }
  // One of them may be the caller.
  boost::asio::post(io_, [control = std::move(control_), stream = std::move(stream_)] {});
  control_.reset();
  stream_.reset();
  if (stopped_) {
    retry_timer_.cancel();
  } else {
    known_.last_error = why;
    retry_later();
  }
  note_state();
  fences_.notify();
}

void EventsImpl::retry_later() {
  if (known_.last_error != logged_error_) {
    logged_error_ = known_.last_error;
    spdlog::warn("event link: {}; trying again until it works", logged_error_);
  }
  retry_timer_.expires_after(backoff_.next(random_()));
  retry_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self && !self->stopped_) {
      self->connect();
    }
  });
}

void EventsImpl::on_key_event(std::uint32_t db, std::string_view key, std::string_view event) {
  events_.store(events_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  cache_.event(cache_.hash(db, key));
  if (key == canary_key_ && event == "set") {
    link_.on_canary_event();
  }
}

void EventsImpl::on_flushed() {
  spdlog::info("event link: Redis was flushed or reloaded, memory is emptied");
  link_.on_null(status_);
}

void EventsImpl::on_pong(std::uint64_t payload) {
  const std::uint64_t before = status_.view().acked;
  link_.on_pong(payload, now(), status_, actions_);
  if (status_.view().acked != before) {
    fences_.notify();
  }
  obey(actions_);
}

void EventsImpl::on_wanted() {
  const std::uint64_t wanted = fences_.take_wanted();
  link_.request(wanted, now(), status_, actions_);
  obey(actions_);
}

void EventsImpl::obey(coherence::EventLinkActions& actions) {
  if (actions.close) {
    const LinkFault fault = actions.fault;
    actions.clear();
    lose(fault == LinkFault::canary_unheard
             ? "the event of our own canary did not arrive: notifications are switched off"
             : "no answer to a PING for too long");
    return;
  }
  if (!actions.pings.empty() && stream_) {
    for (const std::uint64_t ping : actions.pings) {
      stream_->ping(ping);
    }
    stream_->flush();
  }
  const bool canary = actions.write_canary;
  actions.clear();
  if (canary) {
    write_canaries();
  }
  note_state();
}

void EventsImpl::tick() {
  const Time at = now();
  if (control_->waiting_since() < at - config_.link.dead_after) {
    lose("the control connection does not answer");
    return;
  }
  link_.on_tick(at, status_, actions_);
  obey(actions_);
  if (!subscribed_) {
    return;
  }
  if (at >= next_poll_ && polls_unanswered_ == 0) {
    poll();
  }
  arm();
}

void EventsImpl::arm() {
  if (!subscribed_) {
    return;
  }
  // A PING that is due may still not be sent, because too many are unanswered: never spin.
  const Time at = now();
  const Time next = link_.next_tick();
  tick_timer_.expires_at(
      next > at ? next
                : at + std::max<Duration>(config_.link.heartbeat, std::chrono::milliseconds(1)));
  tick_timer_.async_wait(
      [weak = weak_from_this(), attempt = attempt_](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (!error && self && self->attempt_ == attempt) {
          self->tick();
        }
      });
}

void EventsImpl::note_state() {
  const LinkState state = status_.view().state;
  if (state == logged_state_) {
    if (state == LinkState::down) {
      publish();
    }
    return;
  }
  const LinkState before = std::exchange(logged_state_, state);
  switch (state) {
    case LinkState::live:
      logged_error_.clear();
      backoff_.reset();
      if (before == LinkState::suspect) {
        spdlog::info("event link: live again");
      } else {
        spdlog::info("event link: live (Redis {}, {}, run_id {})", known_.version, known_.role,
                     known_.run_id);
      }
      break;
    case LinkState::suspect:
      spdlog::warn("event link: suspect, a PONG is overdue; nothing is served from memory");
      break;
    case LinkState::down:
    case LinkState::syncing:
      spdlog::info("event link: {}", coherence::name(state));
      break;
  }
  publish();
}

void EventsImpl::publish() {
  known_.state = logged_state_;
  known_.canary = subscribed_ && canary_on_;
  MutexLock lock(mutex_);
  published_ = known_;
}

EventsSnapshot EventsImpl::snapshot() const {
  EventsSnapshot snapshot;
  {
    MutexLock lock(mutex_);
    snapshot = published_;
  }
  snapshot.events = events_.load(std::memory_order_relaxed);
  return snapshot;
}

void EventsImpl::use_db(std::uint32_t db) {
  if (db < 64) {
    const std::uint64_t bit = std::uint64_t{1} << db;
    if ((used_dbs_.load(std::memory_order_relaxed) & bit) != 0 ||
        (used_dbs_.fetch_or(bit) & bit) != 0) {
      return;
    }
  }
  boost::asio::post(io_, [weak = weak_from_this(), db] {
    if (const auto self = weak.lock()) {
      self->canary_.add(db);
    }
  });
}

void EventsImpl::query(std::uint32_t db, const std::vector<std::string_view>& args,
                       Events::Answer answer) {
  if (!greeted_) {
    boost::asio::post(io_, [answer = std::move(answer)] {
      answer(Error{ErrorCode::unavailable, "there is no control connection to Redis"});
    });
    return;
  }
  control_->query(db, args, std::move(answer));
}

namespace {

// The caller's end: when it goes, the event link stops, whatever handlers still hold the rest.
class EventsHandle final : public Events {
 public:
  explicit EventsHandle(std::shared_ptr<EventsImpl> impl) : impl_(std::move(impl)) {
  }
  EventsHandle(const EventsHandle&) = delete;
  EventsHandle& operator=(const EventsHandle&) = delete;
  ~EventsHandle() override {
    impl_->stop();
  }
  void start() override {
    impl_->start();
  }
  void stop() override {
    impl_->stop();
  }
  void use_db(std::uint32_t db) override {
    impl_->use_db(db);
  }
  EventsSnapshot snapshot() const override {
    return impl_->snapshot();
  }
  void query(std::uint32_t db, const std::vector<std::string_view>& args, Answer answer) override {
    impl_->query(db, args, std::move(answer));
  }

 private:
  const std::shared_ptr<EventsImpl> impl_;
};

}  // namespace

std::unique_ptr<Events> make_events(boost::asio::io_context& io, coherence::Cache& cache,
                                    Fences& fences, const EventsConfig& config,
                                    EventsListeners listeners, Events::Random random) {
  return std::make_unique<EventsHandle>(std::make_shared<EventsImpl>(
      io, cache, fences, config, std::move(listeners), std::move(random)));
}

}  // namespace tiercache::l2
