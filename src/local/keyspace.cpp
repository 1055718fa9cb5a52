#include "tiercache/local/keyspace.hpp"

#include "run.hpp"

#include "tiercache/base/check.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace tiercache::local {

namespace {

struct VerbName {
  std::string_view name;
  Verb verb;
};
constexpr VerbName kVerbs[] = {
    {"decr", Verb::increment},   {"decrby", Verb::increment}, {"del", Verb::del},
    {"exists", Verb::exists},    {"expire", Verb::expire},    {"expireat", Verb::expire},
    {"get", Verb::get},          {"getdel", Verb::getdel},    {"getex", Verb::getex},
    {"incr", Verb::increment},   {"incrby", Verb::increment}, {"mget", Verb::mget},
    {"mset", Verb::mset},        {"persist", Verb::persist},  {"pexpire", Verb::expire},
    {"pexpireat", Verb::expire}, {"psetex", Verb::setex},     {"pttl", Verb::ttl},
    {"set", Verb::set},          {"setex", Verb::setex},      {"setnx", Verb::setnx},
    {"ttl", Verb::ttl},          {"unlink", Verb::del},
};

constexpr std::size_t kMostShards = 16;
// So that a shard's part holds some of the largest values.
constexpr std::size_t kValuesInPart = 4;

std::size_t shard_count(const std::vector<SpaceConfig>& spaces) {
  std::size_t count = kMostShards;
  for (const SpaceConfig& space : spaces) {
    const std::size_t values = space.max_memory / std::max<std::size_t>(1, space.max_value);
    count = std::min(count, std::max<std::size_t>(1, values / kValuesInPart));
  }
  return std::bit_floor(count);
}

}  // namespace

Verb verb_of(std::string_view name) noexcept {
  const auto* found = std::ranges::find(kVerbs, name, &VerbName::name);
  return found == std::end(kVerbs) ? Verb::none : found->verb;
}

std::string verb_names() {
  std::string names;
  for (const VerbName& verb : kVerbs) {
    names.append(names.empty() ? "" : " ").append(verb.name);
  }
  return names;
}

Keyspace::Keyspace(std::vector<SpaceConfig> spaces, std::uint64_t seed)
    : spaces_(std::move(spaces)), hasher_(seed), shards_(shard_count(spaces_)) {
  TC_CHECK(!spaces_.empty());
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    for (const SpaceConfig& space : spaces_) {
      l1::Limits limits;
      limits.max_bytes = space.max_memory;
      shard.parts.push_back({l1::Store(l1::share(limits, shards_.size()))});
    }
  }
}

void Keyspace::run(const Ask& ask, std::string& out) {
  Run(*this, ask, out).go();
}

bool Keyspace::holds(std::uint16_t space, std::uint32_t db, std::string_view key,
                     milliseconds now) {
  const KeyHash hash = hasher_(db, key);
  Shard& shard = shards_[shard_of(hash)];
  MutexLock lock(shard.mutex);
  return shard.parts[space].store.peek({hash, db, key}, {}, Time(now), 1) != nullptr;
}

void Keyspace::flush(std::optional<std::uint32_t> db) {
  constexpr unsigned kStep = 1U << 20U;
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    for (Part& part : shard.parts) {
      if (!db) {
        part.store.clear();
        continue;
      }
      for (l1::Cursor cursor; !cursor.done();) {
        part.store.erase_if(cursor, kStep,
                            [&](const l1::Entry& entry) { return entry.db() == *db; });
      }
    }
  }
}

Totals Keyspace::totals(std::uint16_t space) {
  Totals totals;
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    const Part& part = shard.parts[space];
    totals.hits += part.hits;
    totals.misses += part.misses;
    totals.writes += part.writes;
    totals.evictions += part.store.evictions();
    totals.expired += part.store.expired();
    totals.entries += part.store.entries();
    totals.bytes += part.store.bytes();
  }
  return totals;
}

}  // namespace tiercache::local
