// One thread of the checker and the sessions that live on it: it lets each send when it can and
// wakes those that have an answer.
#pragma once

#include "session.hpp"

#include <memory>
#include <vector>

#include <poll.h>

namespace tiercache::verify {

class Worker {
 public:
  explicit Worker(RunState& run) : run_(run) {
  }
  Tally& tally() noexcept {
    return tally_;
  }
  const Tally& tally() const noexcept {
    return tally_;
  }
  // REQUIRES: run() has not begun.
  void add(std::unique_ptr<Session> session) {
    sessions_.push_back(std::move(session));
  }
  // Until the phase is `ending`.
  void run();
  // Gives the traces that have been asked for since the last call. On the worker's thread, or after
  // it.
  void give_traces();

 private:
  int collect_descriptors(Nanos now);

  RunState& run_;
  Tally tally_;
  std::vector<std::unique_ptr<Session>> sessions_{};
  std::vector<pollfd> descriptors_{};
  std::vector<Session*> ready_{};
  std::size_t traces_given_ = 0;
};

}  // namespace tiercache::verify
