#include "tiercache/proxy/spaces.hpp"

#include "kept.hpp"

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
}

void Spaces::configure(const config::Config& config, const command::Table& table) {
  for (std::size_t i = 0; i < spaces_.size(); i++) {
    Space& space = spaces_[i];
    space.max_value = config.l1.max_value;
    if (i == namespaces::kDefault) {
      space.kept_commands = kept_commands(config.l1.commands, table);
      continue;
    }
    const config::Namespace& own = set_.at(static_cast<Index>(i));
    space.kept_commands =
        own.tiers == Tiers::l2
            ? std::vector<std::uint8_t>(table.commands().size(), 0)
            : kept_commands(own.commands.empty() ? config.l1.commands : own.commands, table);
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

std::vector<std::pair<std::string, SpaceSums>> namespace_sums(const Hub& hub) {
  std::vector<std::pair<std::string, SpaceSums>> all;
  for (const Worker* worker : hub.workers) {
    const Spaces& spaces = worker->spaces();
    for (std::size_t i = 1; i <= spaces.set().size(); i++) {
      const auto index = static_cast<Index>(i);
      if (all.size() < i) {
        all.emplace_back(spaces.set().at(index).name, SpaceSums{});
      }
      const SpaceSums part = spaces.sums(index);
      std::ranges::transform(all[i - 1].second, part, all[i - 1].second.begin(), std::plus<>());
    }
  }
  return all;
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
