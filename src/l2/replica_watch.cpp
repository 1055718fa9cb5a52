#include "tiercache/l2/replica_watch.hpp"

#include "control.hpp"
#include "replication_info.hpp"
#include "server_info.hpp"

#include "tiercache/base/mutex.hpp"
#include "tiercache/topology/replica_choice.hpp"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

namespace tiercache::l2 {

namespace {

// Between looks at a replica that has not applied enough yet.
constexpr Duration kLookAgain = std::chrono::milliseconds(5);
// Between connections to a master that cannot be reached.
constexpr Duration kReconnect = std::chrono::milliseconds(100);

class Watch final : public std::enable_shared_from_this<Watch>, private Control::User {
 public:
  Watch(boost::asio::io_context& io, const ReplicaWatchConfig& config, coherence::CatchUp& catch_up,
        coherence::LinkStatus& status, Fences& fences, Events& events)
      : io_(io),
        config_(config),
        catch_up_(catch_up),
        status_(status),
        events_(events),
        gate_(make_fence_gate(io, fences, status, config.hold_limit)),
        timer_(io),
        choice_(config.seed) {
  }

  void start() {
    tick();
  }
  void stop() {
    stopped_ = true;
    timer_.cancel();
    drop();
  }
  ReplicaSnapshot snapshot() const {
    MutexLock lock(mutex_);
    return published_;
  }

 private:
  using Method = void (Watch::*)(const Reply&);
  static Time now() {
    return std::chrono::steady_clock::now();
  }

  void on_control_up() override;
  void on_control_down(const std::string& why) override {
    fail("the master: " + why);
    drop();
  }
  Control::Answer then(Method method);
  void tick();
  void again_in(Duration pause);
  void connect(const config::Endpoint& master);
  void drop();
  void ask_master();
  void on_auth(const Reply& reply);
  void on_server(const Reply& reply);
  void on_master(const Reply& reply);
  void ask_replica();
  void on_replica(const Reply& reply);
  void await_events();
  void end_round();
  void forget_master();
  void fail(std::string why);
  void move(const config::Endpoint& endpoint, bool replica);

  boost::asio::io_context& io_;
  const ReplicaWatchConfig config_;
  coherence::CatchUp& catch_up_;
  coherence::LinkStatus& status_;
  Events& events_;
  const std::unique_ptr<FenceGate> gate_;
  boost::asio::steady_timer timer_;
  topology::ReplicaChoice choice_;
  bool stopped_ = false;

  std::shared_ptr<Control> control_;  // to the master
  config::Endpoint master_at_;
  std::uint64_t master_source_ = 0;
  std::string history_;
  // Of a round; answers to an earlier one are ignored.
  enum class Phase : std::uint8_t { greeting, resting, master, replica, events };
  Phase phase_ = Phase::resting;
  bool looking_ = false;  // at the replica
  std::uint64_t round_ = 0;
  std::uint64_t question_ = 0;
  Time asked_at_{};
  Replication master_;
  std::optional<config::Endpoint> reads_from_;

  mutable Mutex mutex_;
  ReplicaSnapshot published_ TC_GUARDED_BY(mutex_);
};

void Watch::again_in(Duration pause) {
  timer_.expires_after(pause);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self && !self->stopped_) {
      self->tick();
    }
  });
}

// Begins a round, or looks after one that does not get on.
void Watch::tick() {
  const auto master = config_.master->endpoint();
  if (control_ && (!master || *master != master_at_)) {
    drop();
  }
  if (!master) {
    fail("no master is known");
    again_in(ReplicaWatch::kPoll);
    return;
  }
  if (!control_) {
    connect(*master);
    again_in(kReconnect);
    return;
  }
  switch (phase_) {
    case Phase::greeting:
      break;  // the connection has a limit
    case Phase::resting:
      ask_master();
      break;
    case Phase::master:
      if (now() - asked_at_ > config_.connect_timeout) {
        on_control_down("it does not answer");
      }
      break;
    case Phase::replica:
      // Later questions do not help one that is behind, so the round goes on, unless nobody
      // answers.
      if (now() - asked_at_ > topology::ReplicaChoice::kPatience) {
        end_round();
      } else if (!looking_) {
        ask_replica();
      }
      break;
    case Phase::events:
      break;  // the gate has a limit
  }
  again_in(phase_ == Phase::replica ? kLookAgain : ReplicaWatch::kPoll);
}

void Watch::connect(const config::Endpoint& master) {
  end_round();
  phase_ = Phase::greeting;
  master_at_ = master;
  control_ = std::make_shared<Control>(io_, master, static_cast<Control::User&>(*this));
  control_->start(config_.connect_timeout);
}

void Watch::drop() {
  end_round();
  forget_master();
  if (control_) {
    control_->close();
    // It may be the caller.
    boost::asio::post(io_, [control = std::move(control_)] {});
    control_.reset();
  }
}

Control::Answer Watch::then(Method method) {
  return [weak = weak_from_this(), round = round_, method](const Result<Reply>& reply) {
    const auto self = weak.lock();
    if (!self || self->stopped_ || self->round_ != round) {
      return;
    }
    if (reply) {
      (self.get()->*method)(reply.value());
    } else {
      self->fail(reply.error().detail);
      self->end_round();
    }
  };
}

void Watch::on_control_up() {
  control_->log_in(config_.user, config_.password, then(&Watch::on_auth));
  master_source_ = 0;
  control_->query({"INFO", "server"}, then(&Watch::on_server));
}

void Watch::on_server(const Reply& reply) {
  master_source_ = reply.is_error() ? 0 : source_of(info_field(reply.text, "run_id"));
  if (master_source_ == 0) {
    on_control_down(reply.is_error() ? "-" + reply.text : "it does not name its run_id");
    return;
  }
  control_->ready();
  choice_.on_master_found(now());
  ask_master();
}

void Watch::on_auth(const Reply& reply) {
  if (reply.is_error()) {
    on_control_down("-" + reply.text);
  }
}

void Watch::ask_master() {
  const auto at = config_.master->endpoint();
  if (!at || *at != master_at_) {
    return;  // the links are about to go elsewhere
  }
  asked_at_ = now();
  question_ = catch_up_.ask();
  phase_ = Phase::master;
  control_->query({"INFO", "replication"}, then(&Watch::on_master));
}

void Watch::on_master(const Reply& reply) {
  const auto seen = read_replication(reply.text);
  if (reply.is_error() || !seen || !seen->master) {
    fail(reply.is_error() ? "the master: -" + reply.text : "it is not a master that answers");
    forget_master();
    end_round();
    return;
  }
  master_ = *seen;
  if (master_.history != history_) {
    forget_master();
    history_ = master_.history;
  }
  const config::Endpoint wanted = choice_.choose(master_at_, master_.replicas, now());
  if (!reads_from_ || *reads_from_ != wanted) {
    move(wanted, wanted != master_at_);
    end_round();
    return;
  }
  const coherence::View view = status_.view();
  if (view.state != coherence::LinkState::live || view.proof != coherence::Proof::stream) {
    fail("nothing tells of its changes: the event link is " + std::string(name(view.state)));
    end_round();
    return;
  }
  phase_ = Phase::replica;
  ask_replica();
}

void Watch::ask_replica() {
  looking_ = true;
  events_.query(0, {"INFO", "replication"}, then(&Watch::on_replica));
}

void Watch::on_replica(const Reply& reply) {
  looking_ = false;
  const auto seen = read_replication(reply.text);
  if (reply.is_error() || !seen) {
    fail("-" + reply.text);
    end_round();
  } else if (has_caught_up(*seen, master_)) {
    await_events();
  } else if (seen->history != master_.history || (!seen->master && !seen->linked)) {
    fail("it does not follow the master");
    if (seen->history != master_.history) {
      forget_master();
    }
    end_round();
  } else {
    again_in(kLookAgain);
  }
}

void Watch::await_events() {
  phase_ = Phase::events;
  gate_->wait(status_.view().next_ping(), [weak = weak_from_this(), round = round_] {
    const auto self = weak.lock();
    if (!self || self->stopped_ || self->round_ != round) {
      return;
    }
    self->catch_up_.set_master_source(self->master_source_);
    self->catch_up_.caught_up(self->question_, self->asked_at_);
    self->choice_.on_caught_up(now());
    self->fail("");
    self->end_round();
  });
}

void Watch::end_round() {
  round_++;
  phase_ = Phase::resting;
  looking_ = false;
}

// Nothing tells any more what becomes of what it has answered.
void Watch::forget_master() {
  if (catch_up_.master_source() != 0) {
    catch_up_.set_master_source(0);
    status_.bump_generation();
  }
}

void Watch::fail(std::string why) {
  MutexLock lock(mutex_);
  published_.last_error = std::move(why);
}

// Of another server nobody knows what it has. The event link lets go, which empties L1, before a
// link can reach that server, and goes there after all links have left the old one.
void Watch::move(const config::Endpoint& endpoint, bool replica) {
  const std::string why = "reads go to " + std::string(replica ? "the replica " : "the master ") +
                          config::to_string(endpoint);
  spdlog::info("{}: {}", config_.master->where(), why);
  reads_from_ = endpoint;
  {
    MutexLock lock(mutex_);
    published_.replica = replica;
    published_.switches++;
  }
  catch_up_.shown_all();
  forget_master();
  events_.relocate(why);
  config_.reader->move_to(endpoint, [weak = weak_from_this(), &io = io_, why] {
    boost::asio::post(io, [weak, why] {
      if (const auto self = weak.lock(); self && !self->stopped_) {
        self->events_.relocate(why);
      }
    });
  });
}

class Handle final : public ReplicaWatch {
 public:
  explicit Handle(std::shared_ptr<Watch> watch) : watch_(std::move(watch)) {
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() override {
    watch_->stop();
  }
  void start() override {
    watch_->start();
  }
  void stop() override {
    watch_->stop();
  }
  ReplicaSnapshot snapshot() const override {
    return watch_->snapshot();
  }

 private:
  const std::shared_ptr<Watch> watch_;
};

}  // namespace

std::unique_ptr<ReplicaWatch> make_replica_watch(boost::asio::io_context& io,
                                                 const ReplicaWatchConfig& config,
                                                 coherence::CatchUp& catch_up,
                                                 coherence::LinkStatus& status, Fences& fences,
                                                 Events& events) {
  return std::make_unique<Handle>(
      std::make_shared<Watch>(io, config, catch_up, status, fences, events));
}

}  // namespace tiercache::l2
