// Who finds the server that holds the data, and says when it is another. It moves the Upstream; the
// event link and the links follow.
//
// Thread: the control thread, except snapshot(). Destroyed there too, or while nobody runs the
// io_context. The upstream outlives it.
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/config/endpoint.hpp"
#include "tiercache/l2/upstream.hpp"
#include "tiercache/topology/cluster_nodes.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace tiercache::l2 {

// For people.
struct TopologyNode {
  config::Endpoint endpoint;
  std::string role;        // "server" (nobody asked), "master", "replica", "sentinel"
  std::string state;       // of a sentinel: "ok", or what is wrong; empty where others know
  std::string slots = {};  // of a Cluster's master: "0-5460 5462"
};

struct TopologySnapshot {
  std::string mode;
  std::string master_name;     // empty: none
  std::uint64_t switches = 0;  // how often the master became another
  std::string last_error;      // why no master is known, or was found last; empty if one was
  std::vector<TopologyNode> nodes;
};

class Topology {
 public:
  virtual ~Topology() = default;
  virtual void start() = 0;
  virtual void stop() = 0;
  // Any thread.
  virtual TopologySnapshot snapshot() const = 0;
};

// The one server that is configured.
std::unique_ptr<Topology> make_standalone(const config::Endpoint& endpoint);

struct SentinelTopologyConfig {
  std::vector<config::Endpoint> sentinels;  // not empty
  std::string master_name;
  // For the sentinels; no password: no AUTH.
  std::string sentinel_user;
  std::string sentinel_password;
  // For the master.
  std::string user;
  std::string password;
  // Of one question to a server. A sentinel is given half a second at most: there are others.
  Duration connect_timeout = std::chrono::seconds(1);
  std::uint64_t seed = 0;
};

// The upstream is about to move, or has: whoever holds a connection lets go of it, and connects
// again if there is a server. Called on the control thread.
using OnRelocate = std::function<void(const std::string& why)>;

struct ClusterTopologyConfig {
  std::vector<config::Endpoint> nodes;  // not empty
  std::string user;
  std::string password;                                // empty: no AUTH
  Duration connect_timeout = std::chrono::seconds(1);  // of one question
  std::uint64_t seed = 0;
};

// A Redis Cluster: says who its servers are and what they serve. Moves nothing by itself.
class ClusterTopology : public Topology {
 public:
  // The control thread: something suggests that a slot is elsewhere, or a server gone; `who` may
  // know more.
  virtual void hint(const std::optional<config::Endpoint>& who) = 0;
};

// Called on the control thread, at each change.
using OnServers = std::function<void(const topology::ClusterServers& servers)>;

std::unique_ptr<ClusterTopology> make_cluster(boost::asio::io_context& io,
                                              const ClusterTopologyConfig& config,
                                              OnServers on_servers);

std::unique_ptr<Topology> make_sentinel(boost::asio::io_context& io, UpstreamPtr upstream,
                                        const SentinelTopologyConfig& config,
                                        OnRelocate on_relocate);

}  // namespace tiercache::l2
