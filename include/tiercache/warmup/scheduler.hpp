// The warmups of the configuration: runs each at start and every `refresh_interval_ms`, and says
// when those are done that clients wait for. What is due when is decided by
// src/warmup/schedule.hpp.
//
// Where L1 is not enabled there is nothing to warm, and nobody waits for it.
//
// What a run does is what CACHE WARM START does (warmup.hpp); keys may also come from a list, a
// file or a source, which a pool of threads reads, since that may block, or from another tiercache.
// The file of strategy `hot` is written from here too, every `save_interval_ms`.
//
// Limits: Schedule::kAtOnce runs at a time; a file is read as it goes, the keys of a query are held
// whole (l3::kMaxListed), and so are hot ones (HotKeys::kMost).
//
// Thread: the control thread, except progress(). Destroyed while neither its loop nor the workers'
// run; waits for a query that is under way, which is told to stop. The hub, its workers and nodes,
// and the loop outlive it.
#pragma once

#include "tiercache/config/config.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/warmup/progress.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace tiercache::warmup {

struct SchedulerParts {
  boost::asio::io_context& control;
  proxy::Hub& hub;
  std::function<config::Warm()> defaults;  // asked at each run, on the control thread
  std::string user;                        // with whom a peer is logged in at
  std::string password;                    // empty: nobody
};

// Of one of them; Progress::job is that of the last run.
struct NamedProgress {
  std::string name;
  config::WarmupStrategy strategy = config::WarmupStrategy::scan;
  bool required = false;
  Progress progress;
};
std::string_view name(config::WarmupStrategy strategy) noexcept;

class Scheduler {
 public:
  Scheduler(SchedulerParts parts, const config::Config& config);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Whether clients have to wait for any.
  bool any_required() const;
  // `ready` is called once, from within or later: when each required one has ended, well or not, or
  // its deadline has passed.
  void start(std::function<void()> ready);
  // Ends what runs; nothing is begun any more, and `ready` is not called.
  void stop();
  // Once it has stopped, while L1 is as it was: saves the hot keys where it is to. Blocks.
  void save();
  // Any thread. In the configuration's order.
  std::vector<NamedProgress> progress() const;

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace tiercache::warmup
