#include "tiercache/admin/live_settings.hpp"

#include "../l2/fake_events.hpp"

#include <doctest/doctest.h>

namespace tiercache::admin {

TEST_CASE("a change reaches every shard's limits, each with its part, and who reads them") {
  auto initial = std::make_shared<const config::Config>();
  coherence::CacheConfig cache_config;
  cache_config.shards = 4;
  cache_config.shard = shard_config(*initial);
  coherence::Cache cache(cache_config);
  proxy::Hub hub;
  l2::Fences fences;
  l2::testing::FakeEvents events;
  hub.add_node({nullptr, cache, fences, events});
  LiveSettings settings(initial, hub);
  std::uint64_t told = 0;
  settings.on_change = [&](const config::Config& config) {
    told = config.l1.max_entries;
  };

  config::Config next = *initial;
  next.l1.max_memory = 8 << 20;
  next.l1.max_entries = 1001;
  next.l1.max_ttl = std::chrono::seconds(5);
  next.coherence.max_staleness = std::chrono::milliseconds(77);
  settings.apply(std::make_shared<const config::Config>(next));

  CHECK(told == 1001);
  CHECK(*settings.get() == next);
  cache.for_each_shard([](coherence::Shard& shard) {
    CHECK(shard.store().limits().max_bytes == 2 << 20);
    CHECK(shard.store().limits().max_entries == 251);
    CHECK(shard.config().max_ttl == std::chrono::seconds(5));
    CHECK(shard.config().max_staleness == std::chrono::milliseconds(77));
  });

  // A second node takes its part.
  coherence::Cache second(cache_config);
  hub.add_node({nullptr, second, fences, events});
  settings.share_out();
  for (coherence::Cache* one : {&cache, &second}) {
    one->for_each_shard(
        [](coherence::Shard& shard) { CHECK(shard.store().limits().max_bytes == 1 << 20); });
  }
}

}  // namespace tiercache::admin
