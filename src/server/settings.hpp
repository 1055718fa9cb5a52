// From the configuration to the values that the rooms below take. Pure.
#pragma once

#include "tiercache/coherence/cache.hpp"
#include "tiercache/config/config.hpp"
#include "tiercache/l2/events.hpp"
#include "tiercache/l2/links.hpp"
#include "tiercache/l2/replica_watch.hpp"
#include "tiercache/l2/topology.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tiercache::server {

unsigned thread_count(const config::Config& config, unsigned cores) noexcept;
// A power of two. By itself: several for each thread, so that two threads seldom want the same
// lock, but none so small that one large reply or a few keys fill it.
unsigned shard_count(const config::Config& config, unsigned threads) noexcept;

coherence::CacheConfig cache_config(const config::Config& config, unsigned shards,
                                    std::uint64_t seed);
// Where Redis is, or is yet to be found.
l2::UpstreamPtr upstream(const config::Config& config);
l2::LinksConfig links_config(const config::Config& config, l2::UpstreamPtr upstream,
                             const std::string& password);
l2::EventsConfig events_config(const config::Config& config, l2::UpstreamPtr upstream,
                               const std::string& password, std::string proxy_id);
l2::SentinelTopologyConfig sentinel_config(const config::Config& config,
                                           const std::string& password, std::uint64_t seed);
l2::ClusterTopologyConfig cluster_config(const config::Config& config, const std::string& password,
                                         std::uint64_t seed);
l2::ReplicaWatchConfig replica_watch_config(const config::Config& config,
                                            const std::string& password, l2::UpstreamPtr master,
                                            l2::UpstreamPtr reader, std::uint64_t seed);
// Of a Cluster, for people.
std::string node_name(std::size_t index);
// For proxy::Hub.
std::vector<std::string> kept_prefixes(const config::Config& config);

}  // namespace tiercache::server
