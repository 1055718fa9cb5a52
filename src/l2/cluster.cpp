// The Cluster topology's shell: asks whom the machine (topology/cluster.hpp) names, and says what
// it has found out.
#include "tiercache/topology/cluster.hpp"

#include "question.hpp"

#include "tiercache/base/mutex.hpp"
#include "tiercache/l2/topology.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

namespace tiercache::l2 {

namespace {

using topology::ClusterActions;

// There are others to ask.
constexpr Duration kLongestQuestion = std::chrono::milliseconds(500);

topology::ClusterConfig machine_config(const ClusterTopologyConfig& config) {
  topology::ClusterConfig machine;
  machine.nodes = config.nodes;
  machine.seed = config.seed;
  return machine;
}

Result<topology::ClusterServers> read_answer(const Result<std::vector<Reply>>& replies,
                                             const config::Endpoint& from) {
  if (!replies) {
    return replies.error();
  }
  const Reply& reply = replies.value().at(0);
  if (reply.is_error()) {
    return Error{ErrorCode::refused, "CLUSTER NODES: -" + reply.text};
  }
  return topology::read_cluster_nodes(reply.text, from);
}

class ClusterImpl final : public std::enable_shared_from_this<ClusterImpl> {
 public:
  ClusterImpl(boost::asio::io_context& io, const ClusterTopologyConfig& config,
              OnServers on_servers)
      : io_(io),
        config_(config),
        timeout_(std::min(config.connect_timeout, kLongestQuestion)),
        on_servers_(std::move(on_servers)),
        timer_(io),
        machine_(machine_config(config)) {
    publish();
  }

  void start() {
    machine_.start(now(), actions_);
    obey();
  }
  void stop() {
    stopped_ = true;
    timer_.cancel();
    if (question_) {
      question_->cancel();
    }
  }
  void hint(const std::optional<config::Endpoint>& who) {
    if (!stopped_) {
      machine_.on_hint(who, now(), actions_);
      obey();
    }
  }
  TopologySnapshot snapshot() const {
    MutexLock lock(mutex_);
    return published_;
  }

 private:
  void obey();
  void ask(const config::Endpoint& server, std::uint64_t number);
  void arm();
  void publish();
  static Time now() {
    return std::chrono::steady_clock::now();
  }

  boost::asio::io_context& io_;
  const ClusterTopologyConfig config_;
  const Duration timeout_;
  const OnServers on_servers_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false;

  topology::Cluster machine_;
  ClusterActions actions_;
  std::shared_ptr<Question> question_;
  std::string logged_;
  std::uint64_t changes_ = 0;
  mutable Mutex mutex_;
  TopologySnapshot published_ TC_GUARDED_BY(mutex_);
};

void ClusterImpl::obey() {
  const ClusterActions actions = std::exchange(actions_, {});
  if (actions.changed) {
    changes_ += machine_.servers().empty() ? 0U : 1U;
    on_servers_(machine_.servers());
  }
  if (actions.ask) {
    ask(*actions.ask, actions.number);
  } else if (machine_.next_tick() != kNever) {
    if (!machine_.why_not().empty() && machine_.why_not() != logged_) {
      spdlog::warn("cluster: nobody tells who serves what: {}", machine_.why_not());
    }
    logged_ = machine_.why_not();
    arm();
  }
  publish();
}

void ClusterImpl::ask(const config::Endpoint& server, std::uint64_t number) {
  timer_.cancel();
  question_ = Question::ask(
      io_, server, {config_.user, config_.password}, {{"CLUSTER", "NODES"}}, timeout_,
      [weak = weak_from_this(), number, server](const Result<std::vector<Reply>>& replies) {
        const auto self = weak.lock();
        if (!self || self->stopped_) {
          return;
        }
        const auto answer = read_answer(replies, server);
        if (answer) {
          self->machine_.on_answer(number, answer.value(), now(), self->actions_);
        } else {
          self->machine_.on_failed(number, config::to_string(server) + ": " + answer.error().detail,
                                   now(), self->actions_);
        }
        self->obey();
      });
}

void ClusterImpl::arm() {
  timer_.expires_at(machine_.next_tick());
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self && !self->stopped_) {
      self->machine_.on_tick(now(), self->actions_);
      self->obey();
    }
  });
}

void ClusterImpl::publish() {
  TopologySnapshot shown{"cluster", "", changes_ > 0 ? changes_ - 1 : 0, machine_.why_not(), {}};
  for (const topology::ClusterServer& server : machine_.servers()) {
    shown.nodes.push_back({server.endpoint, server.master ? "master" : "replica",
                           server.failed ? "fail" : "", to_string(server.slots)});
  }
  MutexLock lock(mutex_);
  published_ = std::move(shown);
}

// The caller's end: when it goes, all stops, whatever handlers still hold the rest.
class ClusterHandle final : public ClusterTopology {
 public:
  explicit ClusterHandle(std::shared_ptr<ClusterImpl> impl) : impl_(std::move(impl)) {
  }
  ClusterHandle(const ClusterHandle&) = delete;
  ClusterHandle& operator=(const ClusterHandle&) = delete;
  ~ClusterHandle() override {
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
  void hint(const std::optional<config::Endpoint>& who) override {
    impl_->hint(who);
  }

 private:
  const std::shared_ptr<ClusterImpl> impl_;
};

}  // namespace

std::unique_ptr<ClusterTopology> make_cluster(boost::asio::io_context& io,
                                              const ClusterTopologyConfig& config,
                                              OnServers on_servers) {
  return std::make_unique<ClusterHandle>(
      std::make_shared<ClusterImpl>(io, config, std::move(on_servers)));
}

}  // namespace tiercache::l2
