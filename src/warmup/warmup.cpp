#include "tiercache/warmup/warmup.hpp"

#include "batch_fill.hpp"
#include "pace.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

namespace tiercache::warmup {

namespace {

Time now() {
  return std::chrono::steady_clock::now();
}

// The answer to SCAN: [cursor, [key...]].
struct Scanned {
  std::string cursor;
  std::vector<std::string> keys;
};

std::optional<Scanned> scanned(l2::Reply& reply) {
  using Kind = l2::Reply::Kind;
  if (reply.kind != Kind::array || reply.items.size() != 2 || reply.items[0].kind != Kind::text ||
      reply.items[1].kind != Kind::array) {
    return std::nullopt;
  }
  Scanned result;
  result.cursor = std::move(reply.items[0].text);
  for (l2::Reply& key : reply.items[1].items) {
    if (key.kind != Kind::text) {
      return std::nullopt;
    }
    result.keys.push_back(std::move(key.text));
  }
  return result;
}

}  // namespace

std::string_view name(State state) noexcept {
  switch (state) {
    case State::idle:
      return "idle";
    case State::running:
      return "running";
    case State::done:
      return "done";
    case State::stopped:
      return "stopped";
    case State::failed:
      return "failed";
  }
  return "unknown";
}

class Warmup::Impl : public std::enable_shared_from_this<Warmup::Impl> {
 public:
  Impl(boost::asio::io_context& control, proxy::Hub& hub, coherence::Cache& cache,
       l2::Events& events)
      : control_(control), hub_(hub), cache_(cache), events_(events), timer_(control) {
  }

  Status start(Job job);
  bool stop();
  Progress progress() const;

 private:
  static constexpr std::chrono::milliseconds kRetry{200};
  static constexpr std::size_t kBatchesPerWorker = 2;

  // One step: a SCAN, or a reason to wait.
  void step();
  void step_at(Time time);
  void scan();
  void on_scan(Result<l2::Reply> reply);
  void wait_for(const std::string& what);
  void deal(std::vector<std::string> keys);
  void on_batch(std::uint64_t run, const BatchResult& result);
  void finish_if_done();
  void end(State state, std::string reason);

  template <class F>
  void update(F&& change) {
    MutexLock lock(mutex_);
    change(progress_);
  }

  boost::asio::io_context& control_;
  proxy::Hub& hub_;
  coherence::Cache& cache_;
  l2::Events& events_;
  boost::asio::steady_timer timer_;

  // Of the run under way; the control thread's.
  std::uint64_t run_ = 0;
  bool running_ = false;
  Job job_;
  Pace pace_{1};
  std::string cursor_;
  bool scanning_ = false;  // a SCAN is unanswered
  bool scanned_all_ = false;
  std::uint64_t taken_ = 0;  // keys, of the limit
  std::size_t batches_out_ = 0;
  std::size_t next_worker_ = 0;
  Time waiting_since_ = kNever;
  Time started_{};
  std::shared_ptr<std::atomic<bool>> stop_flag_;

  mutable Mutex mutex_;
  Progress progress_ TC_GUARDED_BY(mutex_);
  Time progress_since_ TC_GUARDED_BY(mutex_){};
};

Status Warmup::Impl::start(Job job) {
  if (running_) {
    return Error{ErrorCode::refused, "a warmup is running already; see CACHE WARM STATUS"};
  }
  running_ = true;
  run_++;
  job_ = std::move(job);
  pace_ = Pace(std::max(job_.rate, 1U));
  cursor_.assign(1, '0');
  scanned_all_ = false;
  taken_ = 0;
  batches_out_ = 0;  // what an earlier run left in flight reports under its own number
  waiting_since_ = kNever;
  started_ = now();
  stop_flag_ = std::make_shared<std::atomic<bool>>(false);
  {
    MutexLock lock(mutex_);
    progress_ = {};
    progress_.state = State::running;
    progress_.job = job_;
    progress_.started = std::chrono::system_clock::now();
    progress_since_ = started_;
  }
  events_.use_db(job_.db);  // before anything is read there
  spdlog::info("warmup: started in db {} at {} keys/s", job_.db, job_.rate);
  step();
  return Unit{};
}

bool Warmup::Impl::stop() {
  if (!running_) {
    return false;
  }
  end(State::stopped, "");
  return true;
}

Progress Warmup::Impl::progress() const {
  MutexLock lock(mutex_);
  Progress progress = progress_;
  if (progress.state == State::running) {
    progress.took = std::chrono::duration_cast<std::chrono::milliseconds>(now() - progress_since_);
  }
  return progress;
}

void Warmup::Impl::step() {
  if (!running_ || scanning_ || scanned_all_) {
    return;
  }
  if (batches_out_ >= kBatchesPerWorker * hub_.workers.size()) {
    return;  // the next report goes on
  }
  if (cache_.status().view().state != coherence::LinkState::live) {
    wait_for("the event link is not live");
    return;
  }
  if (const Time next = pace_.next(); next > now()) {
    step_at(next);
    return;
  }
  scan();
}

void Warmup::Impl::step_at(Time time) {
  timer_.expires_at(time);
  timer_.async_wait([weak = weak_from_this(), run = run_](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self && self->run_ == run) {
      self->step();
    }
  });
}

void Warmup::Impl::wait_for(const std::string& what) {
  const Time at = now();
  waiting_since_ = std::min(waiting_since_, at);
  if (at - waiting_since_ >= kGiveUp) {
    end(State::failed, what);
    return;
  }
  update([&](Progress& progress) { progress.reason = std::string("waiting: ").append(what); });
  step_at(at + kRetry);
}

void Warmup::Impl::scan() {
  scanning_ = true;
  const std::string count = std::to_string(job_.batch);
  events_.query(job_.db, {"SCAN", cursor_, "MATCH", job_.pattern, "COUNT", count, "TYPE", "string"},
                [weak = weak_from_this(), run = run_](Result<l2::Reply> reply) {
                  const auto self = weak.lock();
                  if (self) {
                    self->scanning_ = false;
                    if (self->run_ == run && self->running_) {
                      self->on_scan(std::move(reply));
                    } else {
                      self->step();  // another run waited for this
                    }
                  }
                });
}

void Warmup::Impl::on_scan(Result<l2::Reply> reply) {
  if (!reply) {
    wait_for(reply.error().detail);
    return;
  }
  if (reply->is_error()) {
    end(State::failed, reply->text);
    return;
  }
  auto found = scanned(*reply);
  if (!found) {
    end(State::failed, "Redis's answer to SCAN makes no sense");
    return;
  }
  if (waiting_since_ != kNever) {
    waiting_since_ = kNever;
    update([](Progress& progress) { progress.reason.clear(); });
  }
  cursor_ = std::move(found->cursor);
  scanned_all_ = cursor_ == "0";
  if (job_.limit != 0 && found->keys.size() >= job_.limit - taken_) {
    found->keys.resize(static_cast<std::size_t>(job_.limit - taken_));
    scanned_all_ = true;
  }
  taken_ += found->keys.size();
  // An empty step costs Redis something too.
  pace_.take(found->keys.size() + 1, now());
  update([&](Progress& progress) { progress.scanned = taken_; });
  deal(std::move(found->keys));
  finish_if_done();
  step();
}

void Warmup::Impl::deal(std::vector<std::string> keys) {
  if (keys.empty()) {
    return;
  }
  batches_out_++;
  proxy::Worker& worker = *hub_.workers[next_worker_++ % hub_.workers.size()];
  auto report = [weak = weak_from_this(), &control = control_,
                 run = run_](const BatchResult& result) {
    boost::asio::post(control, [weak, run, result] {
      if (const auto self = weak.lock()) {
        self->on_batch(run, result);
      }
    });
  };
  worker.post([&worker, db = job_.db, keys = std::move(keys), stop = stop_flag_,
               report = std::move(report)]() mutable {
    const boost::intrusive_ptr<BatchFill> batch(
        new BatchFill(worker, db, std::move(keys), std::move(stop), std::move(report)));
    batch->go_on();
  });
}

void Warmup::Impl::on_batch(std::uint64_t run, const BatchResult& result) {
  if (run != run_) {
    return;
  }
  update([&](Progress& progress) {
    progress.filled += result.filled;
    progress.present += result.present;
    progress.refused += result.refused;
    progress.failed += result.failed;
  });
  batches_out_--;
  finish_if_done();
  step();
}

void Warmup::Impl::finish_if_done() {
  if (running_ && scanned_all_ && batches_out_ == 0) {
    end(State::done, "");
  }
}

void Warmup::Impl::end(State state, std::string reason) {
  running_ = false;
  stop_flag_->store(true, std::memory_order_relaxed);
  timer_.cancel();
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(now() - started_);
  update([&](Progress& progress) {
    progress.state = state;
    progress.reason = std::move(reason);
    progress.took = took;
  });
  const Progress last = progress();
  spdlog::info("warmup: {}{}{}; {} keys scanned, {} filled, {} present, {} refused, {} failed",
               name(state), last.reason.empty() ? "" : ": ", last.reason, last.scanned, last.filled,
               last.present, last.refused, last.failed);
}

Warmup::Warmup(boost::asio::io_context& control, proxy::Hub& hub, coherence::Cache& cache,
               l2::Events& events)
    : impl_(std::make_shared<Impl>(control, hub, cache, events)) {
}

Warmup::~Warmup() = default;

Status Warmup::start(Job job) {
  return impl_->start(std::move(job));
}

bool Warmup::stop() {
  return impl_->stop();
}

Progress Warmup::progress() const {
  return impl_->progress();
}

}  // namespace tiercache::warmup
