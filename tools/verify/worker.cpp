#include "worker.hpp"

#include <algorithm>

namespace tiercache::verify {
namespace {

constexpr Nanos kLongestWait = 5'000'000;

}  // namespace

void Worker::run() {
  while (run_.phase.load(std::memory_order_relaxed) != Phase::ending) {
    Nanos now = now_nanos();
    for (const auto& session : sessions_) {
      session->step(now);
    }
    const int timeout_ms = collect_descriptors(now);
    if (::poll(descriptors_.data(), descriptors_.size(), timeout_ms) > 0) {
      now = now_nanos();
      for (std::size_t i = 0; i < ready_.size(); ++i) {
        if (descriptors_[i].revents != 0) {
          ready_[i]->on_ready(now);
        }
      }
    }
    if (run_.violations.wanted() != traces_given_) {
      give_traces();
    }
  }
}

// The time to wait in milliseconds, rounded up.
int Worker::collect_descriptors(Nanos now) {
  descriptors_.clear();
  ready_.clear();
  Nanos wait = kLongestWait;
  for (const auto& session : sessions_) {
    if (session->is_idle()) {
      wait = std::min(wait, session->next_at() - now);
    }
    if (session->fd() >= 0) {
      const int events = session->wants_write() ? POLLIN | POLLOUT : POLLIN;
      descriptors_.push_back({session->fd(), static_cast<short>(events), 0});
      ready_.push_back(session.get());
    }
  }
  return wait <= 0 ? 1 : static_cast<int>((wait + 999'999) / 1'000'000);
}

void Worker::give_traces() {
  for (const std::size_t wanted = run_.violations.wanted(); traces_given_ < wanted;
       ++traces_given_) {
    const KeyId key = run_.violations.wanted_key(traces_given_);
    std::vector<TraceLine> lines;
    for (const auto& session : sessions_) {
      session->collect_trace(key, lines);
    }
    run_.violations.give_trace(traces_given_, std::move(lines));
  }
}

}  // namespace tiercache::verify
