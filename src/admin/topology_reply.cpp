// CACHE TOPOLOGY.
#include "admin_impl.hpp"
#include "facts.hpp"

#include <algorithm>
#include <vector>

namespace tiercache::admin {

namespace {

void append_field(std::string& out, std::string_view name, std::string_view value) {
  resp::append_bulk(out, name);
  resp::append_bulk(out, value);
}

void append_field(std::string& out, std::string_view name, std::int64_t value) {
  resp::append_bulk(out, name);
  resp::append_integer(out, value);
}

// By the map that the workers have: while L1 lets go of slots that moved, servers may say
// otherwise.
std::string routed_slots(const topology::SlotMap& map, std::size_t node) {
  std::vector<topology::SlotRange> ranges;
  for (std::size_t i = 0; i < topology::kSlots; i++) {
    const auto slot = static_cast<topology::Slot>(i);
    if (map.node_of[i] != node) {
      continue;
    }
    if (!ranges.empty() && ranges.back().last + 1 == slot) {
      ranges.back().last = slot;
    } else {
      ranges.push_back({slot, slot});
    }
  }
  return to_string(ranges);
}

}  // namespace

void Admin::topology(const Request& request, proxy::Responder responder) {
  const resp::Version version = request.asker.version;
  const l2::TopologySnapshot seen = parts_.topology.snapshot();
  const std::vector<proxy::Node> serving = parts_.hub.nodes();
  const topology::SlotMapPtr map = parts_.hub.slot_map();
  std::string out;
  resp::append_map_header(out, 5, version);
  append_field(out, "mode", seen.mode);
  append_field(out, "master_name", seen.master_name);
  append_field(out, "switches", static_cast<std::int64_t>(seen.switches));
  append_field(out, "last_error", seen.last_error);
  resp::append_bulk(out, "nodes");
  resp::append_array_header(out, seen.nodes.size());
  for (const l2::TopologyNode& node : seen.nodes) {
    const auto by = std::ranges::find_if(serving, [&](const proxy::Node& one) {
      return node.role != "sentinel" && one.upstream->endpoint() == node.endpoint;
    });
    const bool serves = by != serving.end();
    const bool reader = serves && by->reader != nullptr;
    resp::append_map_header(out, (serves ? 8U : 3U) + (map ? 1U : 0U) + (reader ? 4U : 0U),
                            version);
    append_field(out, "address", config::to_string(node.endpoint));
    append_field(out, "role", node.role);
    append_field(out, "state", node.state);
    if (map) {
      const auto seat = static_cast<std::size_t>(by - serving.begin());
      append_field(out, "slots", serves ? routed_slots(*map, seat) : node.slots);
    }
    if (serves) {
      const coherence::View view = by->cache.status().view();
      append_field(out, "links", by->upstream->links.load(std::memory_order_relaxed));
      append_field(out, "refused", by->upstream->refused.load(std::memory_order_relaxed));
      append_field(out, "timeouts", by->upstream->timeouts.load(std::memory_order_relaxed));
      append_field(out, "event_link", coherence::name(view.state));
      append_field(out, "generation", static_cast<std::int64_t>(view.generation));
    }
    if (reader) {
      const l2::ReplicaSnapshot replica = by->reader->watch.snapshot();
      const auto endpoint = by->reader->upstream.endpoint();
      append_field(out, "read_from", endpoint ? config::to_string(*endpoint) : std::string());
      append_field(out, "replica_lag_ms",
                   replica_lag_ms(by->reader->catch_up, std::chrono::steady_clock::now()));
      append_field(out, "replica_switches", static_cast<std::int64_t>(replica.switches));
      append_field(out, "replica_error", replica.last_error);
    }
  }
  responder.reply(std::move(out));
}

}  // namespace tiercache::admin
