// Of a Cluster: whether answers that could be written wait for those behind them. The requests of
// one read of a client go to several nodes, whose answers come in different turns of the loop:
// written as they come they are a write for each node, and a wake-up of the client.
//
// What waits is only what came together with the oldest request that has no answer, so a client
// that sends one by one is never kept waiting for what it sent later. And it waits once, as long
// again as it has taken, a millisecond at most: a node that does not answer does not hold back the
// answers of others.
//
// Pure. Owned by a session.
#pragma once

#include "tiercache/base/time.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace tiercache::proxy {

class Hold {
 public:
  static constexpr Duration kLongest = std::chrono::milliseconds(1);
  static constexpr std::size_t kMostBytes = std::size_t{16} << 10;

  // The last answer that can be written is to a request of this moment.
  void on_answered(Time begun) noexcept {
    answered_ = begun;
  }
  // Whether it waits at `now`; `begun`: the moment of the oldest request without an answer.
  bool keeps(Time begun, Time now) noexcept {
    if (begun != answered_ || begun == spent_) {
      return false;
    }
    if (until_ == Time{}) {
      until_ = now + std::min(now - begun, kLongest);
    }
    if (now < until_) {
      return true;
    }
    spent_ = begun;
    return false;
  }
  // Until when; Time{}: nothing waits.
  Time until() const noexcept {
    return until_;
  }
  void on_written() noexcept {
    until_ = {};
  }

 private:
  Time answered_{};
  Time spent_{};  // those of this moment have waited
  Time until_{};
};

}  // namespace tiercache::proxy
