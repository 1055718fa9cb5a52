// When a source that fails is left alone: after kFailures queries in a row that it could not answer
// (not reached, lost, too late; a query that it refuses is an answer), nothing is asked for a
// while, each time twice as long, until one query that is let through is answered. Pure; not
// thread-safe.
#pragma once

#include "tiercache/base/time.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace tiercache::l3 {

class Breaker {
 public:
  static constexpr unsigned kFailures = 5;
  static constexpr Duration kShortest = std::chrono::milliseconds(500);
  static constexpr Duration kLongest = std::chrono::seconds(10);

  enum class State : std::uint8_t {
    closed,  // all are asked
    open,    // none is
    trying,  // one is, and shows what to do with the others
  };

  // Whether a query may be sent. True has to be followed by on_answered or on_failed.
  bool admit(Time now) noexcept {
    if (state_ == State::open && now >= until_) {
      state_ = State::trying;
      return true;
    }
    return state_ == State::closed;
  }
  // Whether one would be refused.
  bool refuses(Time now) const noexcept {
    return state_ == State::trying || (state_ == State::open && now < until_);
  }
  void on_answered() noexcept {
    state_ = State::closed;
    failures_ = 0;
    pause_ = kShortest;
  }
  void on_failed(Time now) noexcept {
    failures_++;
    // Others may still be under way from before it opened.
    if (state_ == State::trying || (state_ == State::closed && failures_ >= kFailures)) {
      state_ = State::open;
      until_ = now + pause_;
      pause_ = std::min(2 * pause_, kLongest);
      opened_++;
    }
  }

  State state() const noexcept {
    return state_;
  }
  std::uint64_t opened() const noexcept {
    return opened_;
  }

 private:
  State state_ = State::closed;
  unsigned failures_ = 0;  // in a row
  Time until_{};
  Duration pause_ = kShortest;
  std::uint64_t opened_ = 0;  // how often
};

}  // namespace tiercache::l3
