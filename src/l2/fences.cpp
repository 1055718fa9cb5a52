#include "tiercache/l2/fences.hpp"

#include "tiercache/coherence/rules.hpp"

#include <algorithm>
#include <deque>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace tiercache::l2 {

using coherence::LinkState;
using coherence::LinkStatus;
using coherence::View;

void Fences::request(std::uint64_t ping) {
  std::uint64_t seen = wanted_.load();
  do {
    if (seen >= ping) {
      return;  // whoever asked for that has woken the event link
    }
  } while (!wanted_.compare_exchange_weak(seen, ping));
  if (!woken_.exchange(true)) {
    MutexLock lock(mutex_);
    if (wake_) {
      wake_();
    }
  }
}

void Fences::attach(std::function<void()> wake) {
  MutexLock lock(mutex_);
  wake_ = std::move(wake);
  if (woken_.load()) {
    wake_();
  }
}

void Fences::detach() {
  MutexLock lock(mutex_);
  wake_ = nullptr;
}

std::uint64_t Fences::take_wanted() noexcept {
  woken_.store(false);
  return wanted_.load();
}

void Fences::notify() {
  MutexLock lock(mutex_);
  for (Listener* listener : listeners_) {
    listener->on_fences();
  }
}

void Fences::add(Listener& listener) {
  MutexLock lock(mutex_);
  listeners_.push_back(&listener);
}

void Fences::remove(Listener& listener) {
  MutexLock lock(mutex_);
  std::erase(listeners_, &listener);
}

namespace {

using Clock = std::chrono::steady_clock;

bool no_fence_comes(const View& view) noexcept {
  return view.state == LinkState::down || view.proof == coherence::Proof::age;
}

// The part of a gate that handlers under way keep alive.
class GateCore final : public Fences::Listener, public std::enable_shared_from_this<GateCore> {
 public:
  GateCore(boost::asio::io_context& io, Fences& fences, LinkStatus& status, Duration limit)
      : io_(io), fences_(fences), status_(status), limit_(limit), timer_(io) {
  }

  void wait(std::uint64_t ping, std::function<void()> release);
  void on_fences() override {
    // Reads by an exchange, as set_count writes: so the two have one order, and either we see
    // the waiter here, or the waiter, who looks once more after set_count, sees the news.
    if (count_.fetch_add(0, std::memory_order_acq_rel) > 0) {
      post_drain();
    }
  }
  void close() {
    timer_.cancel();
    waiting_.clear();
  }
  std::size_t waiting() const noexcept {
    return waiting_.size();
  }

 private:
  struct Waiting {
    std::uint64_t ping;
    std::uint64_t generation;  // when it began to wait
    Time deadline;
    std::function<void()> release;
  };

  static bool over(const Waiting& waiting, const View& view) noexcept {
    return view.acked >= waiting.ping || no_fence_comes(view) ||
           view.generation != waiting.generation;
  }
  void set_count() noexcept {
    count_.exchange(waiting_.size(), std::memory_order_acq_rel);
  }
  void post_drain();
  void drain();
  void arm();
  void on_limit();

  boost::asio::io_context& io_;
  Fences& fences_;
  LinkStatus& status_;
  const Duration limit_;
  boost::asio::steady_timer timer_;
  bool armed_ = false;
  // In the order in which they came: their PINGs hardly ever are in another order, and one that
  // waits for an older PING than those before it only waits a round trip longer.
  std::deque<Waiting> waiting_;
  std::atomic<std::size_t> count_{0};  // waiting_.size(), for the control thread
  std::atomic<bool> posted_{false};
};

void GateCore::wait(std::uint64_t ping, std::function<void()> release) {
  fences_.counters().waits.fetch_add(1, std::memory_order_relaxed);
  waiting_.push_back({ping, status_.view().generation, Clock::now() + limit_, std::move(release)});
  set_count();
  fences_.request(ping);
  if (over(waiting_.back(), status_.view())) {
    post_drain();
  }
  arm();
}

void GateCore::post_drain() {
  if (!posted_.exchange(true)) {
    boost::asio::post(io_, [self = shared_from_this()] {
      self->posted_.store(false);
      self->drain();
    });
  }
}

void GateCore::drain() {
  const View view = status_.view();
  if (coherence::Rules{}.flush_at_release && no_fence_comes(view) && !waiting_.empty()) {
    // The fence cannot come. A flight sent since the loss may be older than what waits here has
    // seen, so what the fence would have proven is made true by emptying L1 once more.
    status_.bump_generation();
  }
  // Those who come back from within their release wait for the next time.
  for (std::size_t left = waiting_.size();
       left > 0 && !waiting_.empty() && over(waiting_.front(), view); left--) {
    const std::function<void()> release = std::move(waiting_.front().release);
    waiting_.pop_front();
    release();
  }
  set_count();
}

void GateCore::arm() {
  if (armed_ || waiting_.empty()) {
    return;
  }
  // Not set back when the first one is released: it then fires early, once, and looks again.
  armed_ = true;
  timer_.expires_at(waiting_.front().deadline);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    self->armed_ = false;
    if (!error) {
      self->on_limit();
    }
  });
}

void GateCore::on_limit() {
  const Time now = Clock::now();
  drain();
  const auto overdue = std::find_if(waiting_.begin(), waiting_.end(),
                                    [&](const Waiting& one) { return one.deadline > now; }) -
                       waiting_.begin();
  if (overdue > 0) {
    fences_.counters().timeouts.fetch_add(static_cast<std::uint64_t>(overdue),
                                          std::memory_order_relaxed);
    status_.bump_generation();
    drain();
  }
  arm();
}

class Gate final : public FenceGate {
 public:
  Gate(boost::asio::io_context& io, Fences& fences, LinkStatus& status, Duration limit)
      : fences_(fences), core_(std::make_shared<GateCore>(io, fences, status, limit)) {
    fences_.add(*core_);
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() override {
    fences_.remove(*core_);
    core_->close();
  }
  void wait(std::uint64_t ping, std::function<void()> release) override {
    core_->wait(ping, std::move(release));
  }
  std::size_t waiting() const noexcept override {
    return core_->waiting();
  }

 private:
  Fences& fences_;
  const std::shared_ptr<GateCore> core_;
};

}  // namespace

std::unique_ptr<FenceGate> make_fence_gate(boost::asio::io_context& io, Fences& fences,
                                           LinkStatus& status, Duration limit) {
  return std::make_unique<Gate>(io, fences, status, limit);
}

}  // namespace tiercache::l2
