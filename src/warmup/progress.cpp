#include "tiercache/warmup/progress.hpp"

#include <algorithm>

namespace tiercache::warmup {

namespace {

std::chrono::milliseconds passed(Time since, Time now) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(now - since);
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

std::string bar_of(const Progress& progress) {
  const Goes goes = progress.state == State::running ? Goes::on : Goes::no_further;
  return progress.state == State::idle ? std::string() : bar(progress.extent, progress.took, goes);
}

void Board::begin(const Job& job, Time now) {
  MutexLock lock(mutex_);
  const std::uint64_t runs = progress_.runs + 1;
  progress_ = {};
  progress_.state = State::running;
  progress_.job = job;
  progress_.runs = runs;
  progress_.started = std::chrono::system_clock::now();
  since_ = now;
}

void Board::end(State state, std::string reason, Time now) {
  MutexLock lock(mutex_);
  progress_.state = state;
  if (state == State::done) {
    progress_.extent.done = std::max(progress_.extent.done, progress_.extent.total);  // estimates
  }
  progress_.reason = std::move(reason);
  progress_.took = passed(since_, now);
}

Progress Board::read(Time now) const {
  MutexLock lock(mutex_);
  Progress progress = progress_;
  if (progress.state == State::running) {
    progress.took = passed(since_, now);
  }
  return progress;
}

}  // namespace tiercache::warmup
