// The keys that L1 would keep longest: those whose GET it holds now in one db, the hottest first,
// as far as its eviction policy knows. Of the shards, which know nothing of each other, each gives
// its own in turn.
//
// Any thread, one at a time; the caches outlive it. A step holds the lock of one shard, for a
// tenth of a microsecond a key or so.
// Limits: kMost keys, kMaxBytes of them; the rest are left out.
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/coherence/cache.hpp"
#include "tiercache/proxy/worker.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tiercache::warmup {

class HotKeys {
 public:
  static constexpr std::size_t kMost = 100'000;
  static constexpr std::size_t kMaxBytes = std::size_t{64} << 20U;

  // `most`: kMost at most.
  HotKeys(const std::vector<proxy::Node>& nodes, std::uint32_t db, std::size_t most);

  // One shard; true: that was the last.
  bool step(Time now);
  std::vector<std::string> take() &&;

 private:
  std::vector<coherence::Cache*> caches_;
  const std::uint32_t db_;
  const std::size_t most_;
  std::size_t of_each_ = 0;  // from a shard
  std::size_t cache_ = 0;
  unsigned shard_ = 0;
  std::size_t bytes_ = 0;
  std::vector<std::vector<std::string>> found_;  // of the shards
};

}  // namespace tiercache::warmup
