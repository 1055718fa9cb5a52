#include "cluster_nodes.hpp"

#include "lanes.hpp"
#include "reader.hpp"
#include "settings.hpp"

#include "tiercache/proxy/loads.hpp"

#include <random>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace tiercache::server {

namespace asio = boost::asio;

struct ClusterNodes::OwnNode {
  OwnNode(const coherence::CacheConfig& cache_config, const std::string& name)
      : cache(cache_config),
        upstream(std::make_shared<l2::Upstream>(l2::Upstream::Expect::master, name)) {
  }

  coherence::Cache cache;
  l2::Fences fences;
  const l2::UpstreamPtr upstream;
  std::unique_ptr<l2::Events> events;
  std::unique_ptr<Reader> reader;
  std::unique_ptr<observe::Auditor> auditor;
};

// Asks whom it can.
class ClusterNodes::AnyEvents final : public l2::Events {
 public:
  explicit AnyEvents(proxy::Hub& hub) : hub_(hub) {
  }
  void start() override {
  }
  void stop() override {
  }
  void relocate(const std::string& /*why*/) override {
  }
  void set_intervals(const l2::EventIntervals& /*intervals*/) override {
  }
  void use_db(std::uint32_t /*db*/) override {
  }
  l2::EventsSnapshot snapshot() const override {
    return chosen().snapshot();
  }
  void query(std::uint32_t db, const std::vector<std::string_view>& args, Answer answer) override {
    chosen().query(db, args, std::move(answer));
  }

 private:
  l2::Events& chosen() const {
    const std::vector<proxy::Node> nodes = hub_.nodes();
    for (const proxy::Node& node : nodes) {
      if (node.cache.status().view().state == coherence::LinkState::live) {
        return node.events;
      }
    }
    return nodes.front().events;
  }

  proxy::Hub& hub_;
};

ClusterNodes::ClusterNodes(ClusterParts parts)
    : parts_(std::move(parts)), any_events_(std::make_unique<AnyEvents>(parts_.hub)) {
}

ClusterNodes::~ClusterNodes() = default;

l2::Events& ClusterNodes::any_events() noexcept {
  return *any_events_;
}

void ClusterNodes::start(l2::ClusterTopology& topology) {
  topology_ = &topology;
  watch(*parts_.hub.nodes().front().upstream);
  parts_.hub.on_redirect = [this](const std::optional<config::Endpoint>& where) {
    if (!hinted_.exchange(true)) {
      asio::post(parts_.control, [weak = std::weak_ptr(self_), where] {
        if (const auto self = weak.lock()) {
          (*self)->hinted_.store(false);
          (*self)->hint(where);
        }
      });
    }
  };
  publish();
}

void ClusterNodes::stop() {
  stopped_ = true;
  for (const auto& node : nodes_) {
    if (node->reader) {
      node->reader->stop();
    }
    node->events->stop();
  }
}

void ClusterNodes::hint(const std::optional<config::Endpoint>& who) {
  if (!stopped_) {
    topology_->hint(who);
  }
}

void ClusterNodes::on_servers(const topology::ClusterServers& servers) {
  const topology::SlotMap& before = ahead_ ? *ahead_ : *map_;
  const auto next = std::make_shared<const topology::SlotMap>(topology::next_map(before, servers));
  if (next->nodes == before.nodes && next->names == before.names &&
      next->node_of == before.node_of) {
    return;
  }
  moves_.add(before, *next);
  ahead_ = next;
  if (!walk_) {
    take_up();
  }
}

// A node's event link tells of the keys that it serves, and of those only. Servers that are new are
// connected to at once; one that others route to is left when they have the new map.
void ClusterNodes::take_up() {
  before_ = std::exchange(map_, std::exchange(ahead_, nullptr));
  const auto moves = std::make_shared<const topology::SlotMoves>(std::exchange(moves_, {}));
  while (parts_.hub.nodes().size() < map_->nodes.size()) {
    add();
  }
  move_nodes([](const auto& was) { return !was; });
  walked_.clear();
  std::vector<invalidation::L1Walk::Part> parts;
  const std::vector<proxy::Node> nodes = parts_.hub.nodes();
  for (std::size_t i = 0; i < nodes.size(); i++) {
    if (!moves->nodes[i]) {
      continue;
    }
    const auto moved = [moves](std::string_view key) {
      return moves->slots[topology::slot_of(key)];
    };
    // First, so that nothing of old is put behind the walk.
    nodes[i].cache.for_each_shard([&](coherence::Shard& shard) { shard.refuse_flights(moved); });
    parts.push_back({&nodes[i].cache, [moved](const l1::Store&, const l1::Entry& entry) {
                       return moved(entry.key());
                     }});
    walked_.push_back(i);
  }
  walk_.emplace(std::move(parts));
  steps_ = 0;
  walk();
}

void ClusterNodes::walk() {
  if (stopped_) {
    return;
  }
  if (!walk_->step(std::chrono::steady_clock::now())) {
    if (++steps_ < kMostSteps) {
      asio::post(parts_.control, [weak = std::weak_ptr(self_)] {
        if (const auto self = weak.lock()) {
          (*self)->walk();
        }
      });
      return;
    }
    const std::vector<proxy::Node> nodes = parts_.hub.nodes();
    for (const std::size_t node : walked_) {
      nodes[node].cache.status().bump_generation();
    }
  }
  walk_.reset();
  publish();
  if (ahead_) {
    take_up();
  }
}

void ClusterNodes::move_nodes(
    const std::function<bool(const std::optional<config::Endpoint>& was)>& which) {
  for (std::size_t i = 0; i < map_->nodes.size(); i++) {
    const auto was = i < before_->nodes.size() ? before_->nodes[i] : std::nullopt;
    if (was != map_->nodes[i] && which(was)) {
      move(i, map_->nodes[i]);
    }
  }
}

void ClusterNodes::publish() {
  move_nodes([](const auto& was) { return was.has_value(); });
  if (parts_.hub.loads) {
    parts_.hub.loads->on_wide_write();
  }
  parts_.hub.set_slot_map(map_);
  for (proxy::Worker* worker : parts_.hub.workers) {
    worker->set_slot_map(map_);
  }
}

void ClusterNodes::add() {
  const admin::ConfigPtr config = parts_.settings.get();
  const std::size_t index = nodes_.size() + 1;
  nodes_.push_back(std::make_unique<OwnNode>(
      cache_config(*config, parts_.shards, parts_.cache_seed), node_name(index)));
  OwnNode& node = *nodes_.back();
  watch(*node.upstream);
  node.reader = Reader::make(
      {parts_.control, parts_.hub, *config, parts_.password, node.upstream, parts_.random});
  l2::EventsListeners listeners;
  listeners.on_server_known = [this, index](const std::string&, const std::string&) {
    for (proxy::Worker* worker : parts_.hub.workers) {
      worker->connect(static_cast<topology::NodeIndex>(index),
                      parts_.hub.identities.anonymous()->id());
    }
  };
  parts_.hear_changes(listeners);
  node.events =
      l2::make_events(parts_.control, node.cache, node.fences,
                      events_config(*config, node.reader ? node.reader->upstream() : node.upstream,
                                    parts_.password, fmt::format("{:016x}", parts_.random())),
                      std::move(listeners),
                      [engine = std::mt19937_64(parts_.random())]() mutable { return engine(); });
  node.auditor = std::make_unique<observe::Auditor>(observe::AuditorParts{
      parts_.control, node.cache, *node.events, node.fences, parts_.registry.add_thread(),
      parts_.random(), node.reader ? &node.reader->catch_up() : nullptr});
  node.auditor->set_rate(audit_rate_);
  const l2::LinksConfig links = links_config(*config, node.upstream, parts_.password);
  for (proxy::Worker* worker : parts_.hub.workers) {
    worker->add_lane(
        make_links(links, parts_.random()),
        [&node, limit = config->coherence.hold_limit](proxy::Worker& mine) {
          return l2::make_fence_gate(mine.io(), node.fences, node.cache.status(), limit);
        },
        node.cache);
  }
  const proxy::Node::Reader* reads = nullptr;
  if (node.reader) {
    reads = node.reader->watch(node.cache.status(), node.fences, *node.events);
    node.reader->add_lanes(static_cast<topology::NodeIndex>(index));
  }
  parts_.hub.add_node({node.upstream, node.cache, node.fences, *node.events, reads});
  parts_.settings.share_out();
  node.events->start();
  if (node.reader) {
    node.reader->start();
  }
}

// As with Sentinel: L1 is emptied before any link can reach the new server, the event link goes
// there after all links have left the old one.
void ClusterNodes::move(std::size_t index, const std::optional<config::Endpoint>& endpoint) {
  const proxy::Node node = parts_.hub.nodes().at(index);
  const std::string why = endpoint ? "the master is " + config::to_string(*endpoint)
                                   : std::string("no master is there any more");
  spdlog::info("cluster: {}: {}", node_name(index), why);
  if (node.reader != nullptr) {
    node.upstream->move_to(endpoint, [] {});  // its event link is elsewhere
    return;
  }
  node.events.relocate(why);
  node.upstream->move_to(endpoint, [weak = std::weak_ptr(self_), &control = parts_.control,
                                    &events = node.events, endpoint, why] {
    asio::post(control, [weak, &events, endpoint, why] {
      const auto self = weak.lock();
      if (endpoint && self && !(*self)->stopped_) {
        events.relocate(why);
      }
    });
  });
}

// Before any link is made.
void ClusterNodes::watch(l2::Upstream& upstream) {
  upstream.on_suspect = [this, &upstream] {
    asio::post(parts_.control, [weak = std::weak_ptr(self_), &upstream] {
      if (const auto self = weak.lock()) {
        upstream.take_suspicion();
        (*self)->hint(std::nullopt);
      }
    });
  };
}

void ClusterNodes::set_intervals(const l2::EventIntervals& intervals) {
  for (const auto& node : nodes_) {
    node->events->set_intervals(intervals);
  }
}

void ClusterNodes::set_audit_rate(std::uint32_t per_second) {
  audit_rate_ = per_second;
  for (const auto& node : nodes_) {
    node->auditor->set_rate(per_second);
  }
}

}  // namespace tiercache::server
