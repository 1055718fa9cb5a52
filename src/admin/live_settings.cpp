#include "tiercache/admin/live_settings.hpp"

#include <utility>

namespace tiercache::admin {

namespace {

l1::Eviction eviction(config::Eviction wanted) {
  switch (wanted) {
    case config::Eviction::lru:
      break;
    case config::Eviction::s3fifo:
      return l1::Eviction::s3fifo;
    case config::Eviction::tinylfu:
      return l1::Eviction::tinylfu;
  }
  return l1::Eviction::lru;
}

}  // namespace

coherence::ShardConfig shard_config(const config::Config& config) {
  coherence::ShardConfig shard;
  shard.limits.max_bytes = config.l1.max_memory;
  shard.limits.max_entries = config.l1.max_entries;
  shard.limits.max_variants = config.l1.max_variants;
  shard.eviction = eviction(config.l1.eviction);
  shard.max_ttl = config.l1.max_ttl;
  shard.negative_ttl = config.l1.negative_ttl;
  shard.max_staleness = config.coherence.max_staleness;
  shard.trace = config.coherence.audit_per_s == 0 ? 0 : config.coherence.audit_trace;
  return shard;
}

LiveSettings::LiveSettings(ConfigPtr initial, proxy::Hub& hub)
    : hub_(hub), config_(std::move(initial)) {
}

ConfigPtr LiveSettings::get() const {
  MutexLock lock(mutex_);
  return config_;
}

void LiveSettings::apply(ConfigPtr config) {
  {
    MutexLock lock(mutex_);
    config_ = config;
  }
  share_out();
  for (proxy::Worker* worker : hub_.workers) {
    worker->set_config(config);
  }
  if (on_change) {
    on_change(*config);
  }
}

void LiveSettings::share_out() {
  const coherence::ShardConfig whole = shard_config(*get());
  const std::vector<proxy::Node> nodes = hub_.nodes();
  for (const proxy::Node& node : nodes) {
    const std::size_t shards = node.cache.shards() * nodes.size();
    node.cache.for_each_shard([&](coherence::Shard& shard) {
      coherence::ShardConfig part = whole;
      part.limits = l1::share(whole.limits, shards);
      part.exact_within = shard.config().exact_within;
      part.join_within = shard.config().join_within;
      part.stripes = shard.config().stripes;  // their number cannot change
      shard.config() = part;
      shard.store().set_limits(part.limits);
      shard.trace().resize(part.trace);
    });
  }
}

}  // namespace tiercache::admin
