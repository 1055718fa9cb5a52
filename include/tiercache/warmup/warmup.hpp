// Fills L1 with the keys of a pattern before anybody asks for them: scans one db of Redis and reads
// what it finds by ordinary flights, so that the rules that keep L1 true hold as for any read.
//
// One run at a time. SCAN goes over the control connection; its batches are dealt to the workers in
// turn, whose shared links carry the reads. What L1 has already is not read again. While L1 cannot
// take fills (the event link is not live), or Redis is away for a moment, the run waits.
//
// Limits: `rate` keys per second; two batches per worker under way; a run that gets nothing from
// Redis for kGiveUp fails.
//
// Thread: the control thread, except progress(). Destroyed while neither its loop nor the workers'
// run. The hub, its workers, the cache and the events outlive it.
#pragma once

#include "tiercache/base/mutex.hpp"
#include "tiercache/base/result.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/coherence/cache.hpp"
#include "tiercache/l2/events.hpp"
#include "tiercache/proxy/worker.hpp"

#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

namespace tiercache::warmup {

struct Job {
  std::uint32_t db = 0;
  std::string pattern;      // Redis's glob
  std::uint64_t limit = 0;  // at most so many keys; 0: all
  std::uint32_t rate = 1;   // keys per second, at least 1
  std::uint32_t batch = 1;  // keys of one SCAN, about; at least 1
};

enum class State : std::uint8_t { idle, running, done, stopped, failed };
std::string_view name(State state) noexcept;

struct Progress {
  State state = State::idle;
  std::string reason;  // failed: why; running: what it waits for, if anything
  Job job;
  std::uint64_t scanned = 0;  // keys that Redis named, up to the limit
  std::uint64_t filled = 0;
  std::uint64_t present = 0;  // in L1 already
  std::uint64_t refused = 0;  // read, but not to be kept: changed meanwhile, too large, gone
  std::uint64_t failed = 0;   // not read: the link was lost
  std::chrono::system_clock::time_point started{};
  std::chrono::milliseconds took{0};  // so far
};

class Warmup {
 public:
  static constexpr std::chrono::seconds kGiveUp{30};

  Warmup(boost::asio::io_context& control, proxy::Hub& hub, coherence::Cache& cache,
         l2::Events& events);
  ~Warmup();
  Warmup(const Warmup&) = delete;
  Warmup& operator=(const Warmup&) = delete;

  // An error: one is running.
  Status start(Job job);
  // No more is scanned or read; what is in flight still fills. False: none is running.
  bool stop();
  // Any thread. The last run's, until another one starts.
  Progress progress() const;

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace tiercache::warmup
