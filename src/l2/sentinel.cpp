// The sentinel topology's shell: asks whom the machine (topology/sentinel.hpp) names, and moves the
// upstream when it says so.
#include "tiercache/topology/sentinel.hpp"

#include "question.hpp"
#include "sentinel_replies.hpp"
#include "switch_watch.hpp"

#include "tiercache/base/mutex.hpp"
#include "tiercache/l2/topology.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

namespace tiercache::l2 {

namespace {

using topology::SentinelActions;

constexpr Duration kSentinelTimeout = std::chrono::milliseconds(500);

topology::SentinelConfig machine_config(const SentinelTopologyConfig& config) {
  topology::SentinelConfig machine;
  machine.sentinels = config.sentinels;
  machine.seed = config.seed;
  return machine;
}

class SentinelImpl final : public std::enable_shared_from_this<SentinelImpl> {
 public:
  SentinelImpl(boost::asio::io_context& io, UpstreamPtr upstream,
               const SentinelTopologyConfig& config, OnRelocate on_relocate)
      : io_(io),
        upstream_(std::move(upstream)),
        config_(config),
        sentinel_timeout_(std::min(config.connect_timeout, kSentinelTimeout)),
        on_relocate_(std::move(on_relocate)),
        timer_(io),
        machine_(machine_config(config)) {
  }

  void prepare();
  void start();
  void stop();
  TopologySnapshot snapshot() const {
    MutexLock lock(mutex_);
    return published_;
  }

 private:
  void hint();
  void obey();
  void ask(const config::Endpoint& sentinel, std::uint64_t number);
  void verify(const config::Endpoint& server, std::uint64_t number);
  void move(const std::optional<config::Endpoint>& endpoint);
  void watch();
  void arm();
  void publish();
  static Time now() {
    return std::chrono::steady_clock::now();
  }

  boost::asio::io_context& io_;
  const UpstreamPtr upstream_;
  const SentinelTopologyConfig config_;
  const Duration sentinel_timeout_;
  const OnRelocate on_relocate_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false;

  topology::Sentinel machine_;
  SentinelActions actions_;
  std::shared_ptr<Question> question_;
  std::map<std::string, std::shared_ptr<SwitchWatch>> watches_;
  std::string logged_;
  std::optional<config::Endpoint> last_master_;
  std::uint64_t switches_ = 0;
  mutable Mutex mutex_;
  TopologySnapshot published_ TC_GUARDED_BY(mutex_);
};

void SentinelImpl::prepare() {
  upstream_->on_suspect = [&io = io_, weak = weak_from_this()] {
    boost::asio::post(io, [weak] {
      if (const auto self = weak.lock()) {
        self->upstream_->take_suspicion();
        self->hint();
      }
    });
  };
  publish();
}

void SentinelImpl::start() {
  machine_.start(now(), actions_);
  obey();
}

void SentinelImpl::stop() {
  stopped_ = true;
  timer_.cancel();
  if (question_) {
    question_->cancel();
  }
  for (const auto& [name, one] : watches_) {
    one->stop();
  }
  watches_.clear();
}

void SentinelImpl::hint() {
  if (!stopped_) {
    machine_.on_hint(now(), actions_);
    obey();
  }
}

void SentinelImpl::obey() {
  const SentinelActions actions = std::exchange(actions_, {});
  if (actions.withdraw) {
    spdlog::warn("sentinel: {}; {} has no master", machine_.why_not(), config_.master_name);
    move(std::nullopt);
  }
  if (actions.use) {
    spdlog::info("sentinel: the master of {} is {}", config_.master_name,
                 config::to_string(*actions.use));
    move(actions.use);
  }
  if (actions.ask) {
    ask(*actions.ask, actions.number);
  } else if (actions.verify) {
    verify(*actions.verify, actions.number);
  } else if (machine_.next_tick() != kNever) {
    if (!machine_.why_not().empty() && machine_.why_not() != logged_) {
      spdlog::warn("sentinel: no master of {} is found: {}", config_.master_name,
                   machine_.why_not());
    }
    logged_ = machine_.why_not();
    watch();
    arm();
  }
  publish();
}

void SentinelImpl::ask(const config::Endpoint& sentinel, std::uint64_t number) {
  question_ = Question::ask(
      io_, sentinel, {config_.sentinel_user, config_.sentinel_password},
      sentinel_commands(config_.master_name), sentinel_timeout_,
      [weak = weak_from_this(), number, sentinel](const Result<std::vector<Reply>>& replies) {
        const auto self = weak.lock();
        if (!self || self->stopped_) {
          return;
        }
        const auto answer = replies ? read_sentinel_answer(replies.value()) : replies.error();
        if (answer) {
          self->machine_.on_answer(number, answer.value(), now(), self->actions_);
        } else {
          self->machine_.on_failed(number,
                                   config::to_string(sentinel) + ": " + answer.error().detail,
                                   now(), self->actions_);
        }
        self->obey();
      });
}

void SentinelImpl::verify(const config::Endpoint& server, std::uint64_t number) {
  question_ = Question::ask(
      io_, server, {config_.user, config_.password}, {{"ROLE"}}, config_.connect_timeout,
      [weak = weak_from_this(), number, server](const Result<std::vector<Reply>>& replies) {
        const auto self = weak.lock();
        if (!self || self->stopped_) {
          return;
        }
        const auto role = replies ? read_role(replies.value()[0]) : replies.error();
        if (role) {
          self->machine_.on_role(number, role.value(), now(), self->actions_);
        } else {
          self->machine_.on_failed(number, config::to_string(server) + ": " + role.error().detail,
                                   now(), self->actions_);
        }
        self->obey();
      });
}

// L1 is emptied before any link can reach the new server, the event link goes there after all links
// have left the old one.
void SentinelImpl::move(const std::optional<config::Endpoint>& endpoint) {
  if (endpoint) {
    switches_ += last_master_ && last_master_ != endpoint ? 1U : 0U;
    last_master_ = endpoint;
  }
  on_relocate_(endpoint ? "the master is " + config::to_string(*endpoint)
                        : std::string("there is no master"));
  upstream_->move_to(endpoint, [&io = io_, weak = weak_from_this(), endpoint] {
    boost::asio::post(io, [weak, endpoint] {
      const auto self = weak.lock();
      if (endpoint && self && !self->stopped_) {
        self->on_relocate_("the master is " + config::to_string(*endpoint));
      }
    });
  });
}

// All that are known: one that is cut off from the others hears nothing.
void SentinelImpl::watch() {
  std::map<std::string, std::shared_ptr<SwitchWatch>> before = std::exchange(watches_, {});
  for (const topology::SentinelSeen& one : machine_.sentinels()) {
    const std::string name = config::to_string(one.endpoint);
    auto& mine = watches_[name];
    mine = std::exchange(before[name], nullptr);
    if (!mine) {
      mine = std::make_shared<SwitchWatch>(
          io_, one.endpoint, Credentials{config_.sentinel_user, config_.sentinel_password},
          sentinel_timeout_, [weak = weak_from_this()](std::string_view payload) {
            const auto self = weak.lock();
            if (self && names_master(payload, self->config_.master_name)) {
              self->hint();
            }
          });
      mine->start();
    }
  }
  for (const auto& [name, gone] : before) {
    if (gone) {
      gone->stop();
    }
  }
}

void SentinelImpl::arm() {
  timer_.expires_at(machine_.next_tick());
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self && !self->stopped_) {
      self->machine_.on_tick(now(), self->actions_);
      self->obey();
    }
  });
}

void SentinelImpl::publish() {
  TopologySnapshot shown{"sentinel", config_.master_name, switches_, machine_.why_not(), {}};
  if (machine_.master()) {
    shown.nodes.push_back({*machine_.master(), "master", ""});
  }
  for (const config::Endpoint& replica : machine_.replicas()) {
    if (replica != machine_.master()) {
      shown.nodes.push_back({replica, "replica", ""});
    }
  }
  for (const topology::SentinelSeen& one : machine_.sentinels()) {
    shown.nodes.push_back({one.endpoint, "sentinel", one.state});
  }
  MutexLock lock(mutex_);
  published_ = std::move(shown);
}

// The caller's end: when it goes, all stops, whatever handlers still hold the rest.
class SentinelHandle final : public Topology {
 public:
  explicit SentinelHandle(std::shared_ptr<SentinelImpl> impl) : impl_(std::move(impl)) {
    impl_->prepare();
  }
  SentinelHandle(const SentinelHandle&) = delete;
  SentinelHandle& operator=(const SentinelHandle&) = delete;
  ~SentinelHandle() override {
    impl_->stop();
  }
  void start() override {
    impl_->start();
  }
  void stop() override {
    impl_->stop();
  }
  TopologySnapshot snapshot() const override {
    return impl_->snapshot();
  }

 private:
  const std::shared_ptr<SentinelImpl> impl_;
};

}  // namespace

std::unique_ptr<Topology> make_sentinel(boost::asio::io_context& io, UpstreamPtr upstream,
                                        const SentinelTopologyConfig& config,
                                        OnRelocate on_relocate) {
  return std::make_unique<SentinelHandle>(
      std::make_shared<SentinelImpl>(io, std::move(upstream), config, std::move(on_relocate)));
}

}  // namespace tiercache::l2
