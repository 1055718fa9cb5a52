#include "run.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

namespace tiercache::warmup {

namespace {

Time now() {
  return std::chrono::steady_clock::now();
}

// What its lines in the log begin with.
std::string label(const Job& job) {
  return job.name.empty() ? "warmup" : "warmup '" + job.name + "'";
}

}  // namespace

Run::Run(RunParts parts, Job job, std::unique_ptr<KeyStream> keys, std::shared_ptr<Board> board,
         std::function<void()> ended)
    : parts_(std::move(parts)),
      job_(std::move(job)),
      keys_(std::move(keys)),
      board_(std::move(board)),
      ended_(std::move(ended)),
      timer_(parts.control),
      log_timer_(parts.control),
      pace_(std::max(job_.rate, 1U)) {
}

Run::~Run() {
  stop_flag_->store(true, std::memory_order_relaxed);
}

void Run::start() {
  running_ = true;
  board_->begin(job_, now());
  parts_.reach->use_db(job_.db);  // before anything is read there
  spdlog::info("{}: started in db {} at {} keys/s", label(job_), job_.db, job_.rate);
  log_later();
  step();
}

void Run::log_later() {
  log_timer_.expires_after(kLogEvery);
  log_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || !self->running_) {
      return;
    }
    const Progress progress = self->board_->read(now());
    spdlog::info("{}: {}{}{}", label(self->job_), bar_of(progress),
                 progress.reason.empty() ? "" : ", ", progress.reason);
    self->log_later();
  });
}

bool Run::stop() {
  if (!running_) {
    return false;
  }
  ended_ = nullptr;
  end(State::stopped, "");
  return true;
}

void Run::step() {
  if (!running_ || asking_ || last_) {
    return;
  }
  if (batches_out_ >= kBatchesPerWorker * parts_.hub.workers.size()) {
    return;  // the next report goes on
  }
  if (const std::string away = parts_.reach->away(); !away.empty()) {
    wait_for(away);
    return;
  }
  if (const Time next = pace_.next(); next > now()) {
    step_at(next);
    return;
  }
  ask();
}

void Run::step_at(Time time) {
  timer_.expires_at(time);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self) {
      self->step();
    }
  });
}

void Run::wait_for(const std::string& what) {
  const Time at = now();
  waiting_since_ = std::min(waiting_since_, at);
  if (at - waiting_since_ >= kGiveUp) {
    if (parts_.reach->away().empty() || !parts_.reach->leave_behind()) {
      end(State::failed, what);
      return;
    }
    spdlog::warn("{}: goes on without a node: {}", label(job_), what);
    waiting_since_ = kNever;
    step_at(at);
    return;
  }
  board_->update(
      [&](Progress& progress) { progress.reason = std::string("waiting: ").append(what); });
  step_at(at + kRetry);
}

void Run::ask() {
  asking_ = true;
  keys_->next(job_.batch, [weak = weak_from_this()](Result<KeyBatch> batch) {
    const auto self = weak.lock();
    if (self && self->running_) {
      self->asking_ = false;
      self->on_keys(std::move(batch));
    }
  });
}

void Run::on_keys(Result<KeyBatch> batch) {
  if (!batch) {
    const Error& error = batch.error();
    if (error.code == ErrorCode::unavailable) {
      wait_for(error.detail);
    } else {
      end(State::failed, error.detail);
    }
    return;
  }
  if (waiting_since_ != kNever) {
    waiting_since_ = kNever;
    board_->update([](Progress& progress) { progress.reason.clear(); });
  }
  std::vector<std::string> keys = std::move(batch->keys);
  last_ = batch->last;
  if (job_.limit != 0 && keys.size() >= job_.limit - taken_) {
    keys.resize(static_cast<std::size_t>(job_.limit - taken_));
    last_ = true;
  }
  taken_ += keys.size();
  looked_ += batch->looked != 0 ? batch->looked : keys.size();
  // An empty step costs Redis something too.
  pace_.take(keys.size() + 1, now());
  board_->update([&](Progress& progress) {
    progress.scanned = taken_;
    progress.extent = extent_of(looked_, batch->size, taken_, job_.limit);
  });
  deal(std::move(keys));
  finish_if_done();
  step();
}

void Run::deal(std::vector<std::string> keys) {
  auto of_nodes = parts_.reach->deal(std::move(keys));
  const std::size_t lost = of_nodes.back().size();
  of_nodes.pop_back();
  board_->update([&](Progress& progress) { progress.failed += lost; });
  for (std::size_t node = 0; node < of_nodes.size(); node++) {
    if (!of_nodes[node].empty()) {
      send(node, std::move(of_nodes[node]));
    }
  }
}

void Run::send(std::size_t node, std::vector<std::string> keys) {
  batches_out_++;
  proxy::Worker& worker = *parts_.hub.workers[next_worker_++ % parts_.hub.workers.size()];
  auto report = [weak = weak_from_this(), &control = parts_.control](const BatchResult& result) {
    boost::asio::post(control, [weak, result] {
      if (const auto self = weak.lock()) {
        self->on_batch(result);
      }
    });
  };
  worker.post([&worker, node, batch = Batch{job_.db, std::move(keys), job_.load}, stop = stop_flag_,
               report = std::move(report)]() mutable {
    const boost::intrusive_ptr<BatchFill> fill(
        new BatchFill(worker, worker.filling_lane(static_cast<topology::NodeIndex>(node)),
                      std::move(batch), std::move(stop), std::move(report)));
    fill->go_on();
  });
}

void Run::on_batch(const BatchResult& result) {
  board_->update([&](Progress& progress) {
    progress.loaded += result.loaded;
    progress.filled += result.filled;
    progress.present += result.present;
    progress.refused += result.refused;
    progress.other_type += result.other_type;
    progress.failed += result.failed;
  });
  batches_out_--;
  finish_if_done();
  step();
}

void Run::finish_if_done() {
  if (running_ && last_ && batches_out_ == 0) {
    end(State::done, "");
  }
}

void Run::end(State state, std::string reason) {
  running_ = false;
  stop_flag_->store(true, std::memory_order_relaxed);
  keys_.reset();
  timer_.cancel();
  log_timer_.cancel();
  board_->end(state, std::move(reason), now());
  const Progress last = board_->read(now());
  spdlog::info(
      "{}: {}{}{}; {} keys scanned, {} loaded, {} filled, {} present, {} refused, {} of another "
      "type, {} failed",
      label(job_), name(state), last.reason.empty() ? "" : ": ", last.reason, last.scanned,
      last.loaded, last.filled, last.present, last.refused, last.other_type, last.failed);
  if (ended_) {
    std::exchange(ended_, nullptr)();
  }
}

}  // namespace tiercache::warmup
