// Asks every worker something on its own thread and brings the answers together: the one way in
// which a command speaks of all clients. It takes as long as the longest wake-up of a thread.
#pragma once

#include "tiercache/proxy/worker.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace tiercache::proxy {

// Any thread. `ask(Worker&)` runs once on each worker's thread, on several at a time; then
// `done(std::vector<Result>)`, ordered by worker, on the thread that was last. If the loops stop
// before, neither the rest nor `done` is called: nothing in them may count on it.
template <class Result, class Ask, class Done>
void gather(Hub& hub, Ask ask, Done done) {
  struct State {
    State(Ask&& how, Done&& then, std::size_t workers)
        : ask(std::move(how)), done(std::move(then)), results(workers), left(workers) {
    }
    Ask ask;
    Done done;
    std::vector<Result> results;
    std::atomic<std::size_t> left;
  };
  const auto state = std::make_shared<State>(std::move(ask), std::move(done), hub.workers.size());
  for (std::size_t i = 0; i < hub.workers.size(); i++) {
    Worker* worker = hub.workers[i];
    worker->post([state, worker, i] {
      state->results[i] = state->ask(*worker);
      if (state->left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        state->done(std::move(state->results));
      }
    });
  }
}

}  // namespace tiercache::proxy
