// What CACHE STATS and the sections of INFO tell, gathered from those who count. Any thread; takes
// each shard's lock once.
#pragma once

#include "tiercache/admin/admin.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tiercache::admin {

struct Fact {
  std::string name;
  std::variant<std::int64_t, double, std::string> value;
};

// Of CACHE STATS, in its order.
std::vector<Fact> stats_facts(const AdminParts& parts, Time now);
// One for each namespace, what its workers counted together: "hits=1,misses=2,...".
std::vector<Fact> namespace_facts(const proxy::Hub& hub);
std::vector<Fact> warm_facts(const warmup::Progress& progress);
// Of one of the configuration.
std::vector<Fact> warmup_facts(const warmup::NamedProgress& named);

// The lines of INFO's "# Tiercache" and "# Tiers".
enum class Upstream : std::uint8_t { as_seen, down };
std::string tiercache_section(const AdminParts& parts, Time now);
std::string tiers_section(const AdminParts& parts, Upstream upstream, Time now);

// How long ago Redis was known to have sent everything: what a hit's staleness is below. -1 while
// nothing is served from memory.
std::int64_t staleness_bound_ms(const coherence::View& view, Time now) noexcept;
// What is read is so far behind the master at most; -1: it has never caught up.
std::int64_t replica_lag_ms(const coherence::CatchUp& catch_up, Time now) noexcept;

std::string text_of(const Fact& fact);

}  // namespace tiercache::admin
