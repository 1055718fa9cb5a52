// Which of the proxy's nodes serves which slot. A node is a seat: its entries, its links and its
// event link stay when the server on it becomes another, as at a failover. Pure.
#pragma once

#include "tiercache/config/endpoint.hpp"
#include "tiercache/topology/cluster_nodes.hpp"

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tiercache::topology {

using NodeIndex = std::uint8_t;

// Constant once it is made; shared by all threads.
struct SlotMap {
  static constexpr NodeIndex kNobody = 0xff;

  SlotMap() {
    node_of.fill(kNobody);
  }
  // Which node has its server there; kNobody: none.
  NodeIndex node_at(const config::Endpoint& endpoint) const noexcept;
  // Which node a redirect names that the server of node `from` has given: by its address, by the
  // name it announces, or, where that server names none, by the port on its own host. kNobody: none
  // that is known, or it could be several.
  NodeIndex node_at(const Redirect& redirect, NodeIndex from) const noexcept;

  std::array<NodeIndex, kSlots> node_of;
  std::vector<std::optional<config::Endpoint>> nodes;  // none: nobody sits there now
  std::vector<std::string> names;                      // as many; may be empty
};
using SlotMapPtr = std::shared_ptr<const SlotMap>;

// At most so many masters; slots of further ones are nobody's.
inline constexpr std::size_t kMaxNodes = 128;

// The next map. Masters keep their node. One that is new gets the node of the master from which it
// takes the most slots, if that one is a master no more; else a free node, or a new one. Masters
// that have no slots have a node too, unless they failed: a slot may be on its way to them.
SlotMap next_map(const SlotMap& before, const ClusterServers& servers);

// Slots that have gone from one node to another, over one map or several, and the nodes that have
// lost some or got some: what the L1 of these holds of such a slot says nothing any more.
struct SlotMoves {
  std::bitset<kSlots> slots;
  std::bitset<kMaxNodes> nodes;

  void add(const SlotMap& before, const SlotMap& after) noexcept;
};

}  // namespace tiercache::topology
