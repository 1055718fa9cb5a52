#include "settings.hpp"

#include <bit>

#include <doctest/doctest.h>

namespace tiercache::server {

TEST_CASE("shards: a power of two, several per thread, none too small") {
  config::Config config;
  CHECK(shard_count(config, 1) == 8);
  CHECK(shard_count(config, 3) == 32);
  CHECK(shard_count(config, 256) == 64);  // 256 MB in parts of 4 MB
  config.l1.max_memory = 6 << 20;
  CHECK(shard_count(config, 8) == 1);
  config.l1.max_memory = 1 << 16;
  CHECK(shard_count(config, 8) == 1);
  config.l1.max_memory = std::size_t{1} << 40;
  CHECK(shard_count(config, 256) == 2048);
  config.l1.max_entries = 5000;
  CHECK(shard_count(config, 256) == 4);
  config.l1.shards = 64;
  CHECK(shard_count(config, 256) == 4);  // a thousand entries each
  config.l1.max_entries = 0;
  for (std::uint32_t asked = 1; asked <= 4096; asked++) {
    config.l1.shards = asked;
    const unsigned count = shard_count(config, 2);
    CHECK(std::has_single_bit(count));
    CHECK(count >= asked);
  }
}

TEST_CASE("threads: as configured, else one per core") {
  config::Config config;
  CHECK(thread_count(config, 4) == 4);
  CHECK(thread_count(config, 0) == 1);
  CHECK(thread_count(config, 1000) == 256);
  config.threads = 3;
  CHECK(thread_count(config, 4) == 3);
}

}  // namespace tiercache::server
