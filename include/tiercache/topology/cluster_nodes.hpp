// What one server of a Cluster says of all (CLUSTER NODES), read. Pure.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/config/endpoint.hpp"
#include "tiercache/topology/slots.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::topology {

struct SlotRange {
  Slot first = 0;
  Slot last = 0;  // it included

  bool operator==(const SlotRange&) const = default;
};

struct ClusterServer {
  config::Endpoint endpoint;
  bool master = false;
  bool failed = false;  // the one that was asked, or a majority, cannot reach it
  std::uint64_t epoch = 0;
  std::vector<SlotRange> slots;
  std::string name{};  // as which it announces itself beside its address; empty: none

  bool operator==(const ClusterServer&) const = default;
};

using ClusterServers = std::vector<ClusterServer>;

// `from` was asked; a server that does not know its own address is there. Servers without an
// address, or not met yet, are left out. An error: it is no such text.
Result<ClusterServers> read_cluster_nodes(std::string_view text, const config::Endpoint& from);

// "0-5460 5462", as Redis writes it.
std::string to_string(const std::vector<SlotRange>& slots);

}  // namespace tiercache::topology
