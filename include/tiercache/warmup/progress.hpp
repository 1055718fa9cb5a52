// How far a warmup is: written by its run, read by whoever asks.
#pragma once

#include "tiercache/base/mutex.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/warmup/bar.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace tiercache::warmup {

struct Job {
  std::string name;  // of a [[warmup]]; empty: of CACHE WARM START
  std::uint32_t db = 0;
  std::string pattern;      // of a scan: Redis's glob
  std::uint64_t limit = 0;  // at most so many keys; 0: all
  std::uint32_t rate = 1;   // keys per second, at least 1
  std::uint32_t batch = 1;  // keys that are asked for at once, about; at least 1
  bool load = false;        // what Redis has not is loaded from its namespace's source
};

enum class State : std::uint8_t { idle, running, done, stopped, failed };
std::string_view name(State state) noexcept;

struct Progress {
  State state = State::idle;
  std::string reason;  // failed: why; running: what it waits for, if anything
  Job job;
  std::uint64_t runs = 0;     // begun, this one included
  std::uint64_t scanned = 0;  // keys that were named, up to the limit
  Extent extent;              // of what it has to go through
  std::uint64_t loaded = 0;   // from a source
  std::uint64_t filled = 0;
  std::uint64_t present = 0;     // in L1 already
  std::uint64_t refused = 0;     // read, but not to be kept: changed meanwhile, too large, gone
  std::uint64_t other_type = 0;  // no string, which is all that is read: a row that is a hash, too
  std::uint64_t failed = 0;      // not read: the link was lost, or the source has failed
  std::chrono::system_clock::time_point started{};
  std::chrono::milliseconds took{0};  // so far
};

// bar() of a run; empty: there was none.
std::string bar_of(const Progress& progress);

// Of one warmup, run after run. Any thread.
class Board {
 public:
  void begin(const Job& job, Time now);
  void end(State state, std::string reason, Time now);
  // The last run's, until another one begins.
  Progress read(Time now) const;

  template <class F>
  void update(F&& change) {
    MutexLock lock(mutex_);
    std::forward<F>(change)(progress_);
  }

 private:
  mutable Mutex mutex_;
  Progress progress_ TC_GUARDED_BY(mutex_);
  Time since_ TC_GUARDED_BY(mutex_){};
};

}  // namespace tiercache::warmup
