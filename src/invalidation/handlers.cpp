#include "tiercache/invalidation/handlers.hpp"

#include "outbox.hpp"

#include "tiercache/base/mutex.hpp"
#include "tiercache/l3/poster.hpp"
#include "tiercache/proxy/loads.hpp"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

namespace tiercache::invalidation {

namespace {

Time now() {
  return std::chrono::steady_clock::now();
}

template <class Step>
std::int64_t since_1970() {
  return std::chrono::duration_cast<Step>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool tells(const config::Handlers& config, std::string_view word) {
  return (!config.webhook.empty() || !config.channel.empty()) &&
         std::ranges::find(config.of, word) != config.of.end();
}

}  // namespace

// Owned by a shared_ptr: what is under way comes back to it by the loop.
class Handlers::Receiver : public std::enable_shared_from_this<Receiver> {
 public:
  Receiver(std::string name, boost::asio::io_context& control, const config::Handlers& config)
      : name_(std::move(name)),
        outbox_({config.queue, config.batch, config.attempts}),
        timer_(control),
        random_(std::random_device{}()) {
  }
  virtual ~Receiver() = default;
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  void add(const Notice& notice) {
    outbox_.add(notice);
    go_on();
  }
  bool settled() const {
    return outbox_.settled(now());
  }
  const std::string& name() const noexcept {
    return name_;
  }
  Outbox::Totals totals() const {
    MutexLock lock(mutex_);
    return totals_;
  }

 protected:
  // Ends with done() or failed(), later.
  virtual void deliver(const std::vector<Notice>& notices) = 0;

  void done() {
    outbox_.taken();
    if (std::exchange(failing_, false)) {
      spdlog::info("handlers: the {} is told of invalidations again", name_);
    }
    go_on();
  }
  void failed(Outbox::Fault fault, const std::string& why) {
    if (!std::exchange(failing_, true)) {
      spdlog::warn("handlers: the {} is not told of invalidations: {}", name_, why);
    }
    if (outbox_.failed(fault, now(), random_()) == Outbox::Then::given_up) {
      spdlog::debug("handlers: some invalidations are not told to the {} any more: {}", name_, why);
    }
    go_on();
  }

 private:
  void go_on() {
    const std::vector<Notice>* notices = outbox_.next(now());
    {
      MutexLock lock(mutex_);
      totals_ = outbox_.totals();
    }
    if (notices != nullptr) {
      deliver(*notices);
    } else if (const Time due = outbox_.due(); due != kNever && due != timer_.expiry()) {
      timer_.expires_at(due);
      timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        if (const auto self = weak.lock(); self && !error) {
          self->go_on();
        }
      });
    }
  }

  const std::string name_;
  Outbox outbox_;
  boost::asio::steady_timer timer_;
  std::minstd_rand random_;
  bool failing_ = false;
  mutable Mutex mutex_;
  Outbox::Totals totals_ TC_GUARDED_BY(mutex_);
};

class Handlers::Webhook final : public Receiver {
 public:
  Webhook(boost::asio::io_context& control, const config::Handlers& config)
      : Receiver("webhook", control, config),
        control_(control),
        poster_(l3::make_poster({config.webhook, "application/json", config.timeout})) {
  }

 private:
  void deliver(const std::vector<Notice>& notices) override {
    poster_->post(to_json(notices), [this, weak = weak_from_this()](Status status) {
      boost::asio::post(control_, [this, weak, status = std::move(status)] {
        if (const auto self = weak.lock()) {
          status ? done() : failed(Outbox::Fault::refused, status.error().detail);
        }
      });
    });
  }

  boost::asio::io_context& control_;
  const std::unique_ptr<l3::Poster> poster_;
};

class Handlers::Channel final : public Receiver {
 public:
  Channel(boost::asio::io_context& control, l2::Events& events, const config::Handlers& config)
      : Receiver("channel", control, config), events_(events), channel_(config.channel) {
  }

 private:
  // All at once; what is published twice because another was not is what "at least once" means.
  void deliver(const std::vector<Notice>& notices) override {
    struct Round {
      std::size_t unanswered = 0;
      Outbox::Fault fault{};
      std::string why;
    };
    const auto round = std::make_shared<Round>();
    round->unanswered = notices.size();
    for (const Notice& notice : notices) {
      events_.query(0, {"PUBLISH", channel_, to_json(notice)},
                    [this, weak = weak_from_this(), round](const Result<l2::Reply>& reply) {
                      const auto self = weak.lock();
                      if (!self) {
                        return;
                      }
                      if (!reply) {
                        round->fault = Outbox::Fault::away;
                        round->why = reply.error().detail;
                      } else if (reply.value().is_error() && round->why.empty()) {
                        round->fault = Outbox::Fault::refused;
                        round->why = "-" + reply.value().text;
                      }
                      if (--round->unanswered == 0) {
                        round->why.empty() ? done() : failed(round->fault, round->why);
                      }
                    });
    }
  }

  l2::Events& events_;
  const std::string channel_;
};

Handlers::Handlers(boost::asio::io_context& control, l2::Events& events,
                   const config::Handlers& config)
    : last_id_(static_cast<std::uint64_t>(since_1970<std::chrono::microseconds>())) {
  if (!config.webhook.empty()) {
    receivers_.push_back(std::make_shared<Webhook>(control, config));
  }
  if (!config.channel.empty()) {
    receivers_.push_back(std::make_shared<Channel>(control, events, config));
  }
  wanted_[static_cast<std::size_t>(Notice::Kind::command)] = tells(config, "command");
  wanted_[static_cast<std::size_t>(Notice::Kind::notify)] = tells(config, "notify");
  wanted_[static_cast<std::size_t>(Notice::Kind::event)] = tells(config, "event");
}

Handlers::~Handlers() {
  if (const std::size_t promised = *promised_; promised > 0) {
    spdlog::warn("handlers: {} invalidations are not carried out, and nobody was told of them",
                 promised);
  }
  for (const auto& receiver : receivers_) {
    if (const std::size_t waiting = receiver->totals().waiting; waiting > 0) {
      spdlog::warn("handlers: {} invalidations were not told to the {}", waiting, receiver->name());
    }
  }
}

void Handlers::tell(Notice notice) {
  if (!wants(notice.kind)) {
    return;
  }
  notice.id = ++last_id_;
  notice.at = since_1970<std::chrono::milliseconds>();
  for (const auto& receiver : receivers_) {
    receiver->add(notice);
  }
}

void Handlers::changed(std::string_view key, std::optional<std::uint32_t> db) {
  if (wants(Notice::Kind::event) && !key.starts_with(proxy::kLeasePrefix)) {
    tell({.kind = Notice::Kind::event, .value = std::string(key), .db = db});
  }
}

void Handlers::all_changed() {
  tell({.kind = Notice::Kind::event, .scope = Notice::Scope::all});
}

bool tells_changes(const config::Handlers& config) {
  return tells(config, "event");
}

void tell_changes(l2::EventsListeners& listeners, const std::unique_ptr<Handlers>& handlers,
                  const config::Handlers& config) {
  if (tells_changes(config)) {
    listeners.on_change = [&handlers](std::string_view key, std::optional<std::uint32_t> db) {
      handlers->changed(key, db);
    };
    listeners.on_any_change = [&handlers] {
      handlers->all_changed();
    };
  }
}

Invalidator::Done Handlers::told(std::vector<Notice> notices, Invalidator::Done done) {
  if (notices.empty() || !wants(notices.front().kind)) {
    return done;
  }
  *promised_ += notices.size();
  // Kept as long as they may be told.
  std::shared_ptr<void> promise(
      nullptr, [promised = promised_, count = notices.size()](void*) { *promised -= count; });
  return [this, notices = std::move(notices), promise = std::move(promise),
          done = std::move(done)](const Result<std::int64_t>& removed) mutable {
    promise.reset();
    if (removed) {
      for (Notice& notice : notices) {
        tell(std::move(notice));
      }
    }
    if (done) {
      done(removed);
    }
  };
}

bool Handlers::settled() const {
  return *promised_ == 0 &&
         std::ranges::all_of(receivers_, [](const auto& receiver) { return receiver->settled(); });
}

std::vector<std::pair<std::string, std::string>> Handlers::lines() const {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const auto& receiver : receivers_) {
    const Outbox::Totals totals = receiver->totals();
    lines.emplace_back(receiver->name(), "told=" + std::to_string(totals.told) +
                                             ",failed=" + std::to_string(totals.failed) +
                                             ",lost=" + std::to_string(totals.lost) +
                                             ",waiting=" + std::to_string(totals.waiting));
  }
  return lines;
}

}  // namespace tiercache::invalidation
