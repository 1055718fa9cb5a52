#include "tiercache/warmup/hot_keys.hpp"

#include "get_variant.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::warmup {

HotKeys::HotKeys(const std::vector<proxy::Node>& nodes, std::uint32_t db, std::size_t most)
    : db_(db), most_(std::min(most, kMost)) {
  std::size_t shards = 0;
  for (const proxy::Node& node : nodes) {
    caches_.push_back(&node.cache);
    shards += node.cache.shards();
  }
  // Keys do not fall on shards quite evenly.
  of_each_ = shards == 0 ? 0 : most_ * 5 / 4 / shards + 64;
}

bool HotKeys::step(Time now) {
  if (cache_ == caches_.size()) {
    return true;
  }
  coherence::Cache& cache = *caches_[cache_];
  const std::uint64_t generation = cache.status().view().generation;
  std::vector<std::string> keys;
  keys.reserve(of_each_);
  cache.with_shard(shard_, [&](coherence::Shard& shard) {
    const l1::Store& store = shard.store();
    std::size_t looked = 0;
    store.while_hot([&](const l1::Entry& entry) {
      looked++;
      if (entry.db() == db_ && entry.matches(get_variant().front()) && !entry.negative() &&
          store.alive(entry, now, generation) && bytes_ + entry.key().size() <= kMaxBytes) {
        keys.emplace_back(entry.key());
        bytes_ += sizeof(std::string) + entry.key().size();
      }
      // Others may be in the way, but not for ever.
      return keys.size() < of_each_ && looked < 4 * of_each_;
    });
  });
  found_.push_back(std::move(keys));
  if (++shard_ == cache.shards()) {
    shard_ = 0;
    cache_++;
  }
  return cache_ == caches_.size();
}

std::vector<std::string> HotKeys::take() && {
  std::vector<std::string> keys;
  for (std::size_t rank = 0; rank < of_each_ && keys.size() < most_; rank++) {
    for (std::vector<std::string>& of_shard : found_) {
      if (rank < of_shard.size() && keys.size() < most_) {
        keys.push_back(std::move(of_shard[rank]));
      }
    }
  }
  return keys;
}

}  // namespace tiercache::warmup
