#include "tiercache/topology/slot_map.hpp"

#include <algorithm>

namespace tiercache::topology {

namespace {

// The free node that served the most of these slots before.
NodeIndex best_seat(const SlotMap& before, const SlotMap& now, const ClusterServer& server) {
  std::array<std::size_t, kMaxNodes> served{};
  for (const SlotRange& range : server.slots) {
    for (std::size_t slot = range.first; slot <= range.last; slot++) {
      const NodeIndex node = before.node_of[slot];
      if (node != SlotMap::kNobody) {
        served[node]++;
      }
    }
  }
  NodeIndex best = SlotMap::kNobody;
  for (std::size_t i = 0; i < now.nodes.size(); i++) {
    if (!now.nodes[i] && (best == SlotMap::kNobody || served[i] > served[best])) {
      best = static_cast<NodeIndex>(i);
    }
  }
  return best;
}

}  // namespace

NodeIndex SlotMap::node_at(const config::Endpoint& endpoint) const noexcept {
  const auto found = std::find(nodes.begin(), nodes.end(), endpoint);
  return found == nodes.end() ? kNobody : static_cast<NodeIndex>(found - nodes.begin());
}

NodeIndex SlotMap::node_at(const Redirect& redirect, NodeIndex from) const noexcept {
  const config::Endpoint& where = redirect.endpoint;
  const bool told = !where.host.empty() && where.host != "?";
  if (told) {
    if (const NodeIndex exact = node_at(where); exact != kNobody) {
      return exact;
    }
  } else if (from < nodes.size() && nodes[from]) {
    for (std::size_t i = 0; i < nodes.size(); i++) {
      if (nodes[i] && nodes[i]->port == where.port && nodes[i]->host == nodes[from]->host) {
        return static_cast<NodeIndex>(i);
      }
    }
  }
  NodeIndex found = kNobody;
  for (std::size_t i = 0; i < nodes.size(); i++) {
    if (nodes[i] && nodes[i]->port == where.port && (!told || names[i] == where.host)) {
      if (found != kNobody) {
        return kNobody;
      }
      found = static_cast<NodeIndex>(i);
    }
  }
  return found;
}

SlotMap next_map(const SlotMap& before, const ClusterServers& servers) {
  SlotMap map;
  map.nodes.resize(before.nodes.size());
  std::vector<const ClusterServer*> masters;
  for (const ClusterServer& server : servers) {
    if (!server.master || (server.failed && server.slots.empty())) {
      continue;
    }
    masters.push_back(&server);
    const NodeIndex kept = before.node_at(server.endpoint);
    if (kept != SlotMap::kNobody) {
      map.nodes[kept] = server.endpoint;
    }
  }
  for (const bool with_slots : {true, false}) {
    for (const ClusterServer* server : masters) {
      if (server->slots.empty() == with_slots ||
          map.node_at(server->endpoint) != SlotMap::kNobody) {
        continue;
      }
      const NodeIndex seat = best_seat(before, map, *server);
      if (seat != SlotMap::kNobody) {
        map.nodes[seat] = server->endpoint;
      } else if (map.nodes.size() < kMaxNodes) {
        map.nodes.emplace_back(server->endpoint);
      }
    }
  }
  map.names.resize(map.nodes.size());
  for (const ClusterServer* server : masters) {
    const NodeIndex node = map.node_at(server->endpoint);
    if (node != SlotMap::kNobody) {
      map.names[node] = server->name;
    }
    for (const SlotRange& range : server->slots) {
      std::fill(map.node_of.begin() + range.first, map.node_of.begin() + range.last + 1, node);
    }
  }
  return map;
}

void SlotMoves::add(const SlotMap& before, const SlotMap& after) noexcept {
  for (std::size_t slot = 0; slot < kSlots; slot++) {
    if (before.node_of[slot] == after.node_of[slot]) {
      continue;
    }
    slots.set(slot);
    for (const NodeIndex node : {before.node_of[slot], after.node_of[slot]}) {
      if (node != SlotMap::kNobody) {
        nodes.set(node);
      }
    }
  }
}

}  // namespace tiercache::topology
