#include "settings.hpp"

#include "tiercache/admin/live_settings.hpp"
#include "tiercache/invalidation/handlers.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace tiercache::server {

namespace {

constexpr std::size_t kSmallestShard = 4 * config::kMib;
constexpr unsigned kShardsPerThread = 8;
constexpr unsigned kMostShards = 4096;

// Somebody wants to know what changes: what is kept (see proxy::Worker::keeps), or a handler.
bool wants_changes(const config::Config& config) {
  return config.l1.enabled || !config.sources.empty() ||
         invalidation::tells_changes(config.handlers) ||
         config.upstream.read_from != config::ReadFrom::master;
}

std::vector<l2::Transport> transports(const config::Config& config) {
  using l2::Transport;
  if (!wants_changes(config)) {
    return {Transport::ttl};  // nobody asks what has changed, and Redis need not tell it
  }
  switch (config.coherence.invalidation) {
    case config::Invalidation::automatic:
      break;
    case config::Invalidation::keyspace:
      return {Transport::keyspace};
    case config::Invalidation::tracking:
      return {Transport::tracking};
    case config::Invalidation::ttl:
      return {Transport::ttl};
  }
  return {Transport::keyspace, Transport::tracking, Transport::ttl};
}

}  // namespace

unsigned thread_count(const config::Config& config, unsigned cores) noexcept {
  return std::clamp(config.threads != 0 ? config.threads : cores, 1U, 256U);
}

unsigned shard_count(const config::Config& config, unsigned threads) noexcept {
  std::size_t most =
      std::min<std::size_t>(kMostShards, l1::most_stores(admin::shard_config(config).limits));
  if (config.l1.shards != 0) {
    return static_cast<unsigned>(std::min(std::bit_ceil(std::size_t{config.l1.shards}), most));
  }
  most = std::clamp<std::size_t>(config.l1.max_memory / kSmallestShard, 1, most);
  const std::size_t wanted = std::bit_ceil(std::size_t{threads} * kShardsPerThread);
  return static_cast<unsigned>(std::min(wanted, std::bit_floor(most)));
}

coherence::CacheConfig cache_config(const config::Config& config, unsigned shards,
                                    std::uint64_t seed) {
  coherence::CacheConfig cache;
  cache.shards = shards;
  cache.seed = seed;
  cache.shard = admin::shard_config(config);
  cache.shares = proxy::make_shares(config);
  return cache;
}

std::string node_name(std::size_t index) {
  return "the cluster's node " + std::to_string(index);
}

l2::UpstreamPtr upstream(const config::Config& config) {
  if (!config.upstream.nodes.empty()) {
    return std::make_shared<l2::Upstream>(l2::Upstream::Expect::master, node_name(0));
  }
  if (config.upstream.sentinels.empty()) {
    return l2::upstream_at(config.upstream.address);
  }
  return std::make_shared<l2::Upstream>(l2::Upstream::Expect::master, config.upstream.master);
}

l2::SentinelTopologyConfig sentinel_config(const config::Config& config,
                                           const std::string& password, std::uint64_t seed) {
  l2::SentinelTopologyConfig sentinel;
  for (const std::string& text : config.upstream.sentinels) {
    sentinel.sentinels.push_back(config::parse_endpoint(text).value());
  }
  sentinel.master_name = config.upstream.master;
  sentinel.sentinel_user = config.upstream.sentinel_user;
  sentinel.sentinel_password = config.upstream.sentinel_password;
  sentinel.user = config.upstream.user;
  sentinel.password = password;
  sentinel.connect_timeout = config.upstream.connect_timeout;
  sentinel.seed = seed;
  return sentinel;
}

l2::ClusterTopologyConfig cluster_config(const config::Config& config, const std::string& password,
                                         std::uint64_t seed) {
  l2::ClusterTopologyConfig cluster;
  for (const std::string& text : config.upstream.nodes) {
    cluster.nodes.push_back(config::parse_endpoint(text).value());
  }
  cluster.user = config.upstream.user;
  cluster.password = password;
  cluster.connect_timeout = config.upstream.connect_timeout;
  cluster.seed = seed;
  return cluster;
}

l2::LinksConfig links_config(const config::Config& config, l2::UpstreamPtr upstream,
                             const std::string& password) {
  l2::LinksConfig links;
  links.upstream = std::move(upstream);
  links.user = config.upstream.user;
  links.password = password;
  links.connect_timeout = config.upstream.connect_timeout;
  links.response_timeout = config.upstream.response_timeout;
  links.backoff_min = config.upstream.reconnect_min;
  links.backoff_max = config.upstream.reconnect_max;
  links.max_pending = config.upstream.max_pending;
  links.max_connections = config.upstream.max_connections;
  return links;
}

l2::ReplicaWatchConfig replica_watch_config(const config::Config& config,
                                            const std::string& password, l2::UpstreamPtr master,
                                            l2::UpstreamPtr reader, std::uint64_t seed) {
  l2::ReplicaWatchConfig watch;
  watch.master = std::move(master);
  watch.reader = std::move(reader);
  watch.user = config.upstream.user;
  watch.password = password;
  watch.connect_timeout = config.upstream.connect_timeout;
  watch.hold_limit = config.coherence.hold_limit;
  watch.seed = seed;
  return watch;
}

l2::EventsConfig events_config(const config::Config& config, l2::UpstreamPtr upstream,
                               const std::string& password, std::string proxy_id) {
  l2::EventsConfig events;
  events.upstream = std::move(upstream);
  events.transports = transports(config);
  events.keeps = wants_changes(config);
  events.tracking_prefixes = config.coherence.tracking_prefixes;
  events.user = config.upstream.user;
  events.password = password;
  events.connect_timeout = config.upstream.connect_timeout;
  events.backoff_min = config.upstream.reconnect_min;
  events.backoff_max = config.upstream.reconnect_max;
  events.link.heartbeat = config.coherence.heartbeat;
  events.link.max_staleness = config.coherence.max_staleness;
  // A key of ours has one slot, which only one of the servers takes, and not for ever; a replica
  // takes none. They are polled instead.
  events.link.canary = config.coherence.canary && config.upstream.nodes.empty() &&
                       config.upstream.read_from == config::ReadFrom::master;
  events.link.canary_interval = config.coherence.canary_interval;
  events.manage_notifications = config.coherence.manage_notifications;
  events.canary_prefix = config.coherence.canary_prefix;
  events.proxy_id = std::move(proxy_id);
  return events;
}

// With auto too, whichever way is in use: a rule that comes and goes with the connection could be
// seen too late by a read under way.
std::vector<std::string> kept_prefixes(const config::Config& config) {
  const bool tracks = config.coherence.invalidation == config::Invalidation::automatic ||
                      config.coherence.invalidation == config::Invalidation::tracking;
  return tracks ? config.coherence.tracking_prefixes : std::vector<std::string>();
}

}  // namespace tiercache::server
