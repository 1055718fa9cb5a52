#include "tiercache/proxy/spaces.hpp"

#include "kept.hpp"

#include "tiercache/proxy/loads.hpp"
#include "tiercache/proxy/worker.hpp"

#include <algorithm>
#include <functional>

namespace tiercache::proxy {

using config::Tiers;
using namespaces::Index;

Spaces::Spaces(const config::Config& config)
    : set_(config.namespaces),
      spaces_(set_.size() + 1),
      counts_(std::make_unique<Counts[]>(set_.size() + 1)) {
  std::uint16_t locals = 0;
  std::uint16_t shares = 0;
  for (std::size_t i = 1; i < spaces_.size(); i++) {
    const config::Namespace& one = set_.at(static_cast<Index>(i));
    if (one.tiers == Tiers::l1) {
      spaces_[i].local = locals++;
    }
    if (one.l1_share_percent > 0) {
      spaces_[i].share = ++shares;
    }
  }
  any_local_ = locals > 0;
}

void Spaces::configure(const config::Config& config, const command::Table& table) {
  verbs_.clear();
  for (const command::Command& command : table.commands()) {
    verbs_.push_back(local::verb_of(command.name));
  }
  for (std::size_t i = 0; i < spaces_.size(); i++) {
    Space& space = spaces_[i];
    space.max_value = config.l1.max_value;
    if (i == namespaces::kDefault) {
      space.kept_commands = kept_commands(config.l1.commands, table);
      continue;
    }
    const config::Namespace& own = set_.at(static_cast<Index>(i));
    space.kept_commands =
        own.tiers == Tiers::l2 || own.tiers == Tiers::l1
            ? std::vector<std::uint8_t>(table.commands().size(), 0)
            : kept_commands(own.commands.empty() ? config.l1.commands : own.commands, table);
    space.loads = own.tiers == Tiers::l1_l2_l3;
    space.asks_ttl = own.ask_ttl;
    space.freshness = freshness_of(own);
    if (own.max_value > 0) {
      space.max_value = own.max_value;
    }
    if (own.max_staleness.count() >= 0) {
      space.max_staleness = own.max_staleness;
    }
  }
}

void Spaces::limit(coherence::Fill& fill, Index index, KeyHash hash, Time now,
                   coherence::Proof proof) const noexcept {
  if (index == namespaces::kDefault) {
    return;
  }
  const config::Namespace& own = set_.at(index);
  if (own.ttl.count() > 0) {
    fill.max_ttl =
        namespaces::jittered(own.ttl, own.jitter_percent,
                             hash ^ static_cast<std::uint64_t>(now.time_since_epoch().count()));
  }
  if (own.negative_ttl.count() >= 0) {
    fill.negative_ttl = own.negative_ttl;
  }
  if (const auto window = spaces_[index].freshness.window();
      window.count() > 0 && !fill.missing && fill.pttl_ms >= 0) {
    const std::int64_t left = fill.pttl_ms - window.count();
    fill.cacheable = fill.cacheable && left > 0;
    fill.pttl_ms = std::max<std::int64_t>(left, 0);
  }
  if (spaces_[index].loads) {
    fill.negative_ttl = Duration::zero();  // that Redis has it not says little
  }
  if (proof == coherence::Proof::age && own.max_staleness.count() >= 0) {
    const Duration bound = own.max_staleness;
    const auto lower = [bound](Duration& ttl) {
      ttl = ttl == coherence::Fill::kAsConfigured ? bound : std::min(ttl, bound);
    };
    lower(fill.max_ttl);
    lower(fill.negative_ttl);
  }
}

SpaceSums Spaces::sums(Index index) const noexcept {
  SpaceSums sums{};
  for (std::size_t i = 0; i < kSpaceCounters; i++) {
    sums[i] = counts_[index][i].load(std::memory_order_relaxed);
  }
  return sums;
}

namespace {

std::string to_text(const local::Totals& totals) {
  return "hits=" + std::to_string(totals.hits) + ",misses=" + std::to_string(totals.misses) +
         ",writes=" + std::to_string(totals.writes) + ",entries=" + std::to_string(totals.entries) +
         ",bytes=" + std::to_string(totals.bytes) +
         ",evictions=" + std::to_string(totals.evictions) +
         ",expired=" + std::to_string(totals.expired);
}

}  // namespace

std::shared_ptr<const l1::Shares> make_shares(const config::Config& config) {
  const auto shares = std::make_shared<l1::Shares>();
  std::vector<std::uint16_t> classes{0};  // by index of the namespace
  for (const config::Namespace& one : config.namespaces) {
    std::uint16_t number = 0;
    if (one.l1_share_percent > 0) {
      number = static_cast<std::uint16_t>(shares->percents.size());
      shares->percents.push_back(one.l1_share_percent);
    }
    classes.push_back(number);
  }
  if (shares->percents.size() == 1) {
    return nullptr;
  }
  shares->class_of = [set = namespaces::Set(config.namespaces),
                      classes = std::move(classes)](std::string_view key) -> std::size_t {
    return classes[set.find(key)];
  };
  return shares;
}

std::shared_ptr<local::Keyspace> make_keyspace(const config::Config& config, std::uint64_t seed) {
  // What one value may take of the whole, so that it is not all there is.
  constexpr std::size_t kPart = 4;
  std::vector<local::SpaceConfig> spaces;
  for (const config::Namespace& one : config.namespaces) {
    if (one.tiers == Tiers::l1) {
      local::SpaceConfig space;
      space.name = one.name;
      space.max_memory = one.max_memory > 0 ? one.max_memory : config::kLocalMemory;
      space.max_value = std::min(one.max_value > 0 ? one.max_value : config.l1.max_value,
                                 space.max_memory / kPart);
      space.ttl = one.ttl;
      spaces.push_back(std::move(space));
    }
  }
  return spaces.empty() ? nullptr : std::make_shared<local::Keyspace>(std::move(spaces), seed);
}

namespace {

// What the namespace has of its share of L1; empty: it has none.
std::string share_text(const Hub& hub, const Spaces& spaces, Index index) {
  const std::uint16_t share = spaces.share(index);
  if (share == 0) {
    return {};
  }
  l1::Account sum;
  for (const Node& node : hub.nodes()) {
    node.cache.for_each_shard([&](coherence::Shard& shard) {
      const l1::Account part = shard.store().account(share);
      sum.entries += part.entries;
      sum.bytes += part.bytes;
      sum.evictions += part.evictions;
    });
  }
  return ",share_percent=" + std::to_string(spaces.set().at(index).l1_share_percent) +
         ",entries=" + std::to_string(sum.entries) + ",bytes=" + std::to_string(sum.bytes) +
         ",evictions=" + std::to_string(sum.evictions);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> namespace_lines(const Hub& hub) {
  std::vector<std::pair<std::string, std::string>> lines;
  if (hub.workers.empty()) {
    return lines;
  }
  const Spaces& first = hub.workers.front()->spaces();
  for (std::size_t i = 1; i <= first.set().size(); i++) {
    const auto index = static_cast<Index>(i);
    const std::string& name = first.set().at(index).name;
    if (first.local(index) != Spaces::kNotLocal) {
      lines.emplace_back(name, to_text(hub.keyspace->totals(first.local(index))));
      continue;
    }
    SpaceSums sums{};
    for (const Worker* worker : hub.workers) {
      const SpaceSums part = worker->spaces().sums(index);
      std::ranges::transform(sums, part, sums.begin(), std::plus<>());
    }
    lines.emplace_back(name, to_text(sums) + share_text(hub, first, index) +
                                 (hub.loads ? hub.loads->line(index) : ""));
  }
  return lines;
}

std::string to_text(const SpaceSums& sums) {
  std::string text;
  for (std::size_t i = 0; i < kSpaceCounters; i++) {
    text.append(text.empty() ? "" : ",").append(kSpaceCounterNames[i]).append("=");
    text.append(std::to_string(sums[i]));
  }
  return text;
}

}  // namespace tiercache::proxy
