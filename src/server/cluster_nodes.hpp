// The nodes of a Redis Cluster: made as masters are found, moved when another server takes a
// master's place, and the map by which the workers route. What the first node has belongs to the
// Server, as without a Cluster; each further one has the same of its own.
//
// Before the workers get a map, what L1 holds of the slots that have moved is removed from the
// nodes that had or have them, in steps. Maps that come meanwhile wait, and become one. Limit:
// kMostSteps; where they are not enough those nodes start a new generation instead.
//
// Control thread, but for redirected(). Its nodes stay until it goes, after the workers.
#pragma once

#include "tiercache/admin/live_settings.hpp"
#include "tiercache/coherence/cache.hpp"
#include "tiercache/invalidation/l1_walk.hpp"
#include "tiercache/l2/events.hpp"
#include "tiercache/l2/fences.hpp"
#include "tiercache/l2/topology.hpp"
#include "tiercache/l2/upstream.hpp"
#include "tiercache/observe/auditor.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/stats/counters.hpp"
#include "tiercache/topology/slot_map.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace tiercache::server {

struct ClusterParts {
  boost::asio::io_context& control;
  proxy::Hub& hub;  // has the first node
  stats::Registry& registry;
  admin::LiveSettings& settings;
  std::string password;
  std::uint64_t cache_seed = 0;  // a key has one hash, whichever node it is on
  unsigned shards = 1;           // of each L1
  std::function<std::uint64_t()> random;
  // Sets who hears what changes on a node.
  std::function<void(l2::EventsListeners&)> hear_changes;
};

class ClusterNodes {
 public:
  explicit ClusterNodes(ClusterParts parts);
  ClusterNodes(const ClusterNodes&) = delete;
  ClusterNodes& operator=(const ClusterNodes&) = delete;
  ~ClusterNodes();

  // Before the workers run. The topology outlives the workers.
  void start(l2::ClusterTopology& topology);
  void stop();
  void on_servers(const topology::ClusterServers& servers);
  void set_intervals(const l2::EventIntervals& intervals);
  void set_audit_rate(std::uint32_t per_second);
  // The event link of any node that lives, for what is the same on all of them.
  l2::Events& any_events() noexcept;

 private:
  class AnyEvents;
  struct OwnNode;

  void add();
  void take_up();
  void walk();
  void publish();
  // Those whose server is another on the new map, if `which` says so of the one before.
  void move_nodes(const std::function<bool(const std::optional<config::Endpoint>& was)>& which);
  void move(std::size_t index, const std::optional<config::Endpoint>& endpoint);
  void watch(l2::Upstream& upstream);
  void hint(const std::optional<config::Endpoint>& who);

  // Some two million entries.
  static constexpr unsigned kMostSteps = 1000;

  ClusterParts parts_;
  l2::ClusterTopology* topology_ = nullptr;
  // What the workers get when the walk is done, and have got before.
  topology::SlotMapPtr map_ = std::make_shared<const topology::SlotMap>();
  topology::SlotMapPtr before_ = map_;
  // What is known beyond it, and waits for the walk; null: nothing.
  topology::SlotMapPtr ahead_;
  topology::SlotMoves moves_;  // from map_ to ahead_, over all in between
  // Removes from L1 what moved with map_; none: that is done.
  std::optional<invalidation::L1Walk> walk_;
  std::vector<std::size_t> walked_;  // nodes
  unsigned steps_ = 0;
  std::vector<std::unique_ptr<OwnNode>> nodes_;  // from index 1
  const std::unique_ptr<AnyEvents> any_events_;
  std::uint32_t audit_rate_ = 0;
  bool stopped_ = false;
  // The hints of the workers that wait to be looked at are one.
  std::atomic<bool> hinted_{false};
  // Handlers that have been posted may come after us.
  const std::shared_ptr<ClusterNodes*> self_ = std::make_shared<ClusterNodes*>(this);
};

}  // namespace tiercache::server
