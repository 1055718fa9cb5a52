#include "tiercache/stats/counters.hpp"

namespace tiercache::stats {

constexpr std::array<CounterName, kCounters> kCounterNames = {{
    {Counter::l1_hits, "l1_hits"},
    {Counter::l1_misses, "l1_misses"},
    {Counter::l1_evictions, "l1_evictions"},
    {Counter::l1_invalidations, "l1_invalidations"},
    {Counter::l1_expired, "l1_expired"},
    {Counter::l1_fills, "l1_fills"},
    {Counter::l1_fills_refused, "l1_fills_refused"},
    {Counter::l1_joins, "l1_joins"},
    {Counter::l1_negative_hits, "l1_negative_hits"},
    {Counter::l1_bypassed, "l1_bypassed"},
    {Counter::l2_requests, "l2_requests"},
    {Counter::l2_errors, "l2_errors"},
    {Counter::l2_reconnects, "l2_reconnects"},
    {Counter::l2_redirects, "l2_redirects"},
    {Counter::l2_retries, "l2_retries"},
    {Counter::l2_retries_refused, "l2_retries_refused"},
    {Counter::l2_replica_reads, "l2_replica_reads"},
    {Counter::fence_waits, "fence_waits"},
    {Counter::held_replies, "held_replies"},
    {Counter::clients_accepted, "clients_accepted"},
    {Counter::clients_closed_output_limit, "clients_closed_output_limit"},
    {Counter::protocol_errors, "protocol_errors"},
    {Counter::pinned_sessions, "pinned_sessions"},
    {Counter::bytes_in, "bytes_in"},
    {Counter::bytes_out, "bytes_out"},
    {Counter::commands, "commands"},
    {Counter::events_received, "events_received"},
    {Counter::generation_bumps, "generation_bumps"},
    {Counter::audit_checked, "audit_checked"},
    {Counter::audit_raced, "audit_raced"},
    {Counter::audit_stale, "audit_stale"},
    {Counter::audit_skipped, "audit_skipped"},
    {Counter::audit_unauditable, "audit_unauditable"},
}};

namespace {

constexpr bool in_order() {
  for (std::size_t i = 0; i < kCounters; ++i) {
    if (static_cast<std::size_t>(kCounterNames[i].counter) != i || kCounterNames[i].name.empty()) {
      return false;
    }
  }
  return true;
}
static_assert(in_order(), "kCounterNames must list every counter in the order of the enum");

}  // namespace

std::string_view name_of(Counter counter) noexcept {
  return kCounterNames[static_cast<std::size_t>(counter)].name;
}

Counters& Registry::add_thread() {
  const MutexLock lock(mutex_);
  return *blocks_.emplace_back(std::make_unique<Counters>());
}

Sums Registry::sum() const {
  const MutexLock lock(mutex_);
  Sums sums{};
  for (const auto& block : blocks_) {
    for (std::size_t i = 0; i < kCounters; ++i) {
      sums[i] += block->get(static_cast<Counter>(i));
    }
  }
  return sums;
}

}  // namespace tiercache::stats
