#include "reach.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::warmup {

std::vector<std::size_t> Reach::nodes() const {
  const topology::SlotMapPtr map = hub_.slot_map();
  if (!map) {
    return {0};
  }
  std::vector<std::size_t> nodes;
  for (std::size_t i = 0; i < map->nodes.size(); i++) {
    if (map->nodes[i] && !left_behind_.contains(i)) {
      nodes.push_back(i);
    }
  }
  return nodes;
}

void Reach::use_db(std::uint32_t db) const {
  for (const proxy::Node& node : hub_.nodes()) {
    node.events.use_db(db);
  }
}

bool Reach::live(std::size_t node) const {
  return hub_.nodes().at(node).cache.status().view().state == coherence::LinkState::live;
}

std::string Reach::away() const {
  const topology::SlotMapPtr map = hub_.slot_map();
  const std::vector<std::size_t> within = nodes();
  if (within.empty()) {
    return "the Cluster's masters are not known";
  }
  for (const std::size_t node : within) {
    if (!live(node)) {
      return map ? "the event link to " + config::to_string(*map->nodes[node]) + " is not live"
                 : "the event link is not live";
    }
  }
  return {};
}

bool Reach::leave_behind() {
  const std::vector<std::size_t> within = nodes();
  if (std::ranges::none_of(within, [&](std::size_t node) { return live(node); })) {
    return false;
  }
  std::ranges::copy_if(within, std::inserter(left_behind_, left_behind_.end()),
                       [&](std::size_t node) { return !live(node); });
  return true;
}

std::vector<std::vector<std::string>> Reach::deal(std::vector<std::string> keys) const {
  const topology::SlotMapPtr map = hub_.slot_map();
  std::vector<std::vector<std::string>> parts(map ? map->nodes.size() + 1 : 2);
  for (std::string& key : keys) {
    std::size_t node = map ? map->node_of[topology::slot_of(key)] : 0;
    if (node + 1 >= parts.size() || left_behind_.contains(node)) {
      node = parts.size() - 1;
    }
    parts[node].push_back(std::move(key));
  }
  return parts;
}

}  // namespace tiercache::warmup
