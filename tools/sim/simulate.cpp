#include "simulate.hpp"

#include "tiercache/base/hash.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <string_view>

namespace tiercache::sim {

namespace {

constexpr l1::Variant kVariant{1, 0, {}};
constexpr std::size_t kPlenty = std::size_t{1} << 50;

}  // namespace

Outcome simulate(const Setup& setup, std::span<const std::uint32_t> trace) {
  Outcome outcome;
  const l1::Limits whole{kPlenty, setup.entries, 64};
  outcome.shards = std::min(std::bit_ceil(std::size_t{setup.shards}), l1::most_stores(whole));
  std::vector<l1::Store> stores;
  for (std::size_t i = 0; i < outcome.shards; ++i) {
    stores.emplace_back(l1::share(whole, outcome.shards), setup.policy);
  }
  const auto shift = 64 - static_cast<unsigned>(std::countr_zero(outcome.shards));
  const KeyHasher hasher(0);
  Time now{};
  for (const std::uint32_t number : trace) {
    now += std::chrono::milliseconds(1);
    const std::string_view bytes(reinterpret_cast<const char*>(&number), sizeof number);
    const l1::Key key{hasher(0, bytes), 0, bytes};
    // The high bits, as in coherence::Cache.
    l1::Store& store = stores[outcome.shards == 1 ? 0 : key.hash >> shift];
    if (store.find(key, kVariant, now, 0) != nullptr) {
      ++outcome.hits;
      continue;
    }
    l1::Meta meta;
    if (!setup.ttls.empty()) {
      const std::uint64_t ttl = setup.ttls[number % setup.ttls.size()];
      meta.expire_at = now + std::chrono::milliseconds(ttl);
    }
    store.put(key, kVariant, {}, meta, now, 0);
  }
  for (const l1::Store& store : stores) {
    outcome.evictions += store.evictions();
    outcome.expired += store.expired();
  }
  return outcome;
}

}  // namespace tiercache::sim
