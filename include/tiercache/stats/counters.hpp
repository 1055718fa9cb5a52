// Counters of events, summed over threads when somebody asks.
//
// Each thread that counts has a block of its own from the registry and is the only one to write it:
// counting is a plain addition on a cache line that nobody else writes. Anyone may sum, at any
// time; a sum is not a snapshot (counters move while they are read) but no counter ever runs
// backwards, and what a finished thread counted stays.
//
// Only true counters live here. Gauges (entries, bytes, connections) are asked of their owners.
#pragma once

#include "tiercache/base/mutex.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace tiercache::stats {

enum class Counter : std::uint8_t {
  l1_hits,
  l1_misses,
  l1_evictions,
  l1_invalidations,
  l1_expired,
  l1_fills,
  l1_fills_refused,
  l1_joins,
  l1_negative_hits,
  l1_bypassed,
  l2_requests,
  l2_errors,
  l2_reconnects,
  l2_redirects,
  l2_retries,
  l2_retries_refused,
  l2_replica_reads,
  fence_waits,
  held_replies,
  clients_accepted,
  clients_closed_output_limit,
  protocol_errors,
  pinned_sessions,
  bytes_in,
  bytes_out,
  commands,
  events_received,
  generation_bumps,
  audit_checked,
  audit_raced,
  audit_stale,
  audit_skipped,
  audit_unauditable,
};
inline constexpr std::size_t kCounters = static_cast<std::size_t>(Counter::audit_unauditable) + 1;

struct CounterName {
  Counter counter;
  std::string_view name;  // as CACHE STATS and the metrics show it
};
// In the order of the enum.
extern const std::array<CounterName, kCounters> kCounterNames;

std::string_view name_of(Counter counter) noexcept;

using Sums = std::array<std::uint64_t, kCounters>;

// One thread's block. REQUIRES: one writing thread.
class Counters {
 public:
  void add(Counter counter, std::uint64_t n = 1) noexcept {
    // Not a read-modify-write: there is one writer.
    auto& value = values_[static_cast<std::size_t>(counter)];
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t get(Counter counter) const noexcept {
    return values_[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, kCounters> values_{};
  // What lies behind it is on another cache line. (Not alignas: see LinkStatus.)
  [[maybe_unused]] std::array<char, 64> after_{};
};

// Owns the blocks; outlives the threads that count. Thread-safe.
class Registry {
 public:
  // A block for the calling thread, valid as long as the registry. Once per thread: it is not given
  // back, so that its counts stay in the sums.
  Counters& add_thread();
  Sums sum() const;

 private:
  mutable Mutex mutex_;  // for the list, not the counts
  std::vector<std::unique_ptr<Counters>> blocks_ TC_GUARDED_BY(mutex_);
};

}  // namespace tiercache::stats
