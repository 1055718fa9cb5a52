// Runs a trace through stores of the product: look up, and put on a miss, which is all that a cache
// of read replies does. The clock moves by a millisecond a request. Pure, but for the memory.
#pragma once

#include "tiercache/l1/store.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tiercache::sim {

struct Setup {
  l1::Eviction policy = l1::Eviction::lru;
  std::size_t entries = 0;
  unsigned shards = 1;
  // Lives in milliseconds, hence in requests; a key has the one at its number modulo their count.
  // None: for ever.
  std::vector<std::uint64_t> ttls;
};

struct Outcome {
  std::uint64_t hits = 0;
  std::size_t shards = 0;  // as many as the product would use
  std::uint64_t evictions = 0;
  std::uint64_t expired = 0;
};

Outcome simulate(const Setup& setup, std::span<const std::uint32_t> trace);

}  // namespace tiercache::sim
