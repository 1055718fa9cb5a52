// Fills L1 with the keys of a pattern before anybody asks for them: scans one db of Redis and reads
// what it finds by ordinary flights, so that the rules that keep L1 true hold as for any read. This
// is CACHE WARM START; scheduler.hpp has the warmups of the configuration.
//
// One run at a time. SCAN goes over the control connection, of a Cluster over that of each master
// in turn; its batches are dealt to the workers in turn, whose shared links carry the reads. What
// L1 has already is not read again. While L1 cannot take fills (the event link is not live), or
// Redis is away for a moment, the run waits.
//
// Limits: `rate` keys per second; two batches per worker under way, of a Cluster cut by the nodes
// of their keys; a run that gets nothing from Redis for 30 seconds fails, of a Cluster's node for
// which it waits so long it goes on without that one.
//
// Thread: the control thread, except progress(). Destroyed while neither its loop nor the workers'
// run. The hub, its workers and its nodes outlive it.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/warmup/progress.hpp"

#include <memory>

#include <boost/asio/io_context.hpp>

namespace tiercache::warmup {

class Warmup {
 public:
  Warmup(boost::asio::io_context& control, proxy::Hub& hub);
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
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tiercache::warmup
