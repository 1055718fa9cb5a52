// The event link's life once it is subscribed, and what others see of it.
#include "tiercache/l2/events.hpp"

#include "events_impl.hpp"

#include <algorithm>
#include <bit>
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
      canary_prefix_(config.canary_prefix + ":canary:"),
      canary_key_(canary_prefix_ + config.proxy_id),
      unused_prefix_("tiercache:no-key-begins-like-this:" + hex(random_()) + hex(random_()) + ":"),
      link_(config.link),
      tick_timer_(io),
      retry_timer_(io),
      backoff_(config.backoff_min, config.backoff_max),
      ladder_(config.transports) {
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

void EventsImpl::lose(const std::string& why) {
  ladder_.restart();
  end_attempt(why);
  if (stopped_) {
    retry_timer_.cancel();
    return;
  }
  if (why != logged_error_) {
    logged_error_ = why;
    spdlog::warn("event link: {}; trying again until it works", why);
  }
  config_.upstream->suspect();
  retry_after(backoff_.next(random_()));
}

// The server is another: what did not work with the one before may work here.
void EventsImpl::relocate(const std::string& why) {
  if (stopped_) {
    return;
  }
  ladder_.restart();
  backoff_.reset();
  end_attempt(why);
  retry_after(Duration::zero());
}

void EventsImpl::refuse(const std::string& why) {
  if (ladder_.step_down(why)) {
    end_attempt(why);
    retry_after(Duration::zero());
  } else {
    lose(why);
  }
}

void EventsImpl::end_attempt(const std::string& why) {
  if (subscribed_) {
    subscribed_ = false;
    known_.losses += was_live_ ? 1U : 0U;
    // Unless the machine gave it up by itself.
    if (status_.view().state != LinkState::down) {
      link_.on_lost(status_);
    }
  }
  attempt_++;
  greeted_ = false;
  was_live_ = false;
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
  if (!stopped_) {
    known_.last_error = why;
  }
  note_state();
  fences_.notify();
}

void EventsImpl::retry_after(Duration pause) {
  retry_timer_.expires_after(pause);
  retry_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self && !self->stopped_) {
      self->connect();
    }
  });
}

void EventsImpl::on_stream_down(const std::string& why, EventStream::Fault fault) {
  fault == EventStream::Fault::refused ? refuse_or_lose(why) : lose(why);
}

void EventsImpl::on_key_event(std::uint32_t db, std::string_view key, std::string_view event) {
  events_.store(events_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  cache_.event(cache_.hash(db, key));
  if (key == canary_key_ && event == "set") {
    link_.on_canary_event();
  }
  tell_change(key, db);
}

// Of the canaries written together one is heard at least: an invalidation names a key once,
// whichever dbs it changed in.
void EventsImpl::on_invalidated(std::string_view key) {
  events_.store(events_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  for (std::uint64_t dbs = used_dbs_.load(); dbs != 0; dbs &= dbs - 1) {
    cache_.event(cache_.hash(static_cast<std::uint32_t>(std::countr_zero(dbs)), key));
  }
  if (far_db_used_.load()) {
    status_.bump_generation();
  }
  if (key == canary_key_) {
    link_.on_canary_event();
  }
  tell_change(key, std::nullopt);
}

void EventsImpl::tell_change(std::string_view key, std::optional<std::uint32_t> db) {
  if (listeners_.on_change && !key.starts_with(canary_prefix_)) {
    listeners_.on_change(key, db);
  }
}

void EventsImpl::on_flushed() {
  spdlog::info("event link: Redis was flushed or reloaded, memory is emptied");
  link_.on_null(status_);
  tell_any_change();
}

void EventsImpl::tell_any_change() {
  if (listeners_.on_any_change && ladder_.current() != Transport::ttl) {
    listeners_.on_any_change();
  }
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
    if (fault == LinkFault::canary_unheard) {
      refuse_or_lose(ladder_.current() == Transport::keyspace
                         ? "the event of our own canary did not arrive: notifications are off"
                         : "the invalidation of our own canary did not arrive");
    } else {
      lose("no answer to a PING for too long");
    }
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
  const Time next = ladder_.current() == Transport::ttl ? next_poll_ : link_.next_tick();
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
        break;
      }
      was_live_ = true;
      known_.connects++;
      note_transport();
      spdlog::info("event link: live by {} (Redis {}, {}, run_id {})", name(ladder_.current()),
                   known_.version, known_.role, known_.run_id);
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

// Once for each change of what is used and why.
void EventsImpl::note_transport() {
  const Transport now = ladder_.current();
  std::string note = std::string(name(now)).append(": ").append(ladder_.reasons());
  if (note == noted_transport_) {
    return;
  }
  const bool first = noted_transport_.empty();
  noted_transport_ = std::move(note);
  if (!ladder_.reasons().empty()) {
    spdlog::warn(
        "event link: stepped down to invalidation by {}, since better ways do not work: {}",
        name(now), ladder_.reasons());
  } else if (!first) {
    spdlog::info("event link: invalidation by {}, the best of those configured", name(now));
  }
  if (now != Transport::ttl || !config_.keeps) {
    return;
  }
  const auto limit =
      std::chrono::duration_cast<std::chrono::milliseconds>(config_.link.max_staleness).count();
  if (limit == 0) {
    spdlog::warn(
        "event link: Redis tells nothing of its changes and coherence.max_staleness_ms is 0: "
        "nothing is served from memory");
  } else {
    spdlog::warn(
        "event link: Redis tells nothing of its changes: entries live for {} ms at most "
        "(coherence.max_staleness_ms), and writes past the proxy may stay unseen so long",
        limit);
  }
}

void EventsImpl::publish() {
  known_.state = logged_state_;
  known_.transport = subscribed_ ? std::optional(ladder_.current()) : std::nullopt;
  known_.stepped_down = ladder_.reasons();
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

void EventsImpl::set_intervals(const EventIntervals& intervals) {
  const bool tighter = intervals.max_staleness < config_.link.max_staleness;
  config_.link.heartbeat = intervals.heartbeat;
  config_.link.max_staleness = intervals.max_staleness;
  config_.link.canary_interval = intervals.canary_interval;
  if (!subscribed_) {
    return;
  }
  link_.configure(link_config());
  if (tighter && ladder_.current() == Transport::ttl) {
    status_.bump_generation();  // what is there was to live longer
  }
  next_poll_ = std::min(next_poll_, now() + intervals.canary_interval);
  arm();
}

void EventsImpl::use_db(std::uint32_t db) {
  if (db >= 64) {
    far_db_used_.store(true);
  } else {
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
  void relocate(const std::string& why) override {
    impl_->relocate(why);
  }
  void set_intervals(const EventIntervals& intervals) override {
    impl_->set_intervals(intervals);
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
