// What the proxy itself has to say: the CACHE command, and its parts of INFO and COMMAND.
//
// Owned by the server room, one for all workers. Its methods are called on any thread and block
// nobody: what changes something runs on the control thread and answers later. Destroyed when
// neither the control loop nor the workers run, before the workers: what is still owed then is
// answered with an error that nobody reads.
#pragma once

#include "tiercache/admin/live_settings.hpp"
#include "tiercache/coherence/cache.hpp"
#include "tiercache/invalidation/feeds.hpp"
#include "tiercache/invalidation/invalidator.hpp"
#include "tiercache/l2/events.hpp"
#include "tiercache/l2/fences.hpp"
#include "tiercache/l2/topology.hpp"
#include "tiercache/proxy/extensions.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/stats/counters.hpp"
#include "tiercache/warmup/scheduler.hpp"
#include "tiercache/warmup/warmup.hpp"

#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

namespace tiercache::admin {

struct AdminParts {
  boost::asio::io_context& control;
  proxy::Hub& hub;
  coherence::Cache& cache;
  const stats::Registry& registry;
  const l2::Fences& fences;
  const l2::Events& events;
  const l2::Upstream& upstream;
  const l2::Topology& topology;
  LiveSettings& settings;
  warmup::Warmup& warmup;
  const warmup::Scheduler& warmups;
  invalidation::Invalidator& invalidator;
  const invalidation::Feeds& feeds;
  invalidation::Handlers& handlers;
  std::string version;
  Time started{};
};

std::unique_ptr<proxy::Extensions> make_admin(AdminParts parts);

}  // namespace tiercache::admin
