// Writes: its beginning, how it stands, and its figures.
#include "write_back.hpp"

#include "tiercache/proxy/worker.hpp"
#include "tiercache/proxy/writes.hpp"

#include <numeric>

#include <fmt/format.h>

namespace tiercache::proxy {

namespace {

constexpr std::array<std::string_view, kWriteCounters> kNames = {"written", "write_refused",
                                                                 "write_failed", "write_halved"};

}  // namespace

Status Writes::open(Hub& hub) {
  if (!write_back_) {
    return Unit{};
  }
  Worker& worker = *hub.workers.front();
  return write_back_->open([this, &worker](const WriteBack::Keys& keys) {
    for (const auto& [db, its] : keys) {
      doom_found(worker, db, its);
    }
  });
}

bool Writes::crowded(namespaces::Index space) const {
  const Space& its = *spaces_[space];
  MutexLock lock(mutex_);
  return unanswered_[its.source] >= (its.limit + 1) / 2;
}

bool Writes::ready() const {
  // In this order: the keys are counted before the replay is said to be over.
  return (!write_back_ || write_back_->replayed()) && doomed_.load(std::memory_order_relaxed) == 0;
}

std::size_t Writes::unapplied() const {
  return write_back_ ? write_back_->unapplied() : 0;
}

std::string Writes::left() const {
  std::size_t unanswered = 0;
  {
    // First: what else a write leaves is counted before it is answered.
    MutexLock lock(mutex_);
    unanswered = std::accumulate(unanswered_.begin(), unanswered_.end(), std::size_t{0});
  }
  std::string text;
  const auto say = [&text](std::string_view one) {
    text.append(text.empty() ? "" : "; ").append(one);
  };
  if (unanswered > 0) {
    say(fmt::format("{} writes to sources were under way", unanswered));
  }
  if (const std::size_t count = unapplied(); count > 0) {
    say(fmt::format("{} writes stay in the journal for the next start", count));
  }
  if (const std::size_t keys = doomed_.load(std::memory_order_relaxed); keys > 0) {
    say(fmt::format("Redis may keep older copies of {} keys, which it has not let go of", keys));
  }
  return text;
}

std::optional<PendingWrite> Writes::pending(std::string_view key) const {
  return write_back_ ? write_back_->pending(key) : std::nullopt;
}

std::string Writes::journal_line() const {
  if (!write_back_) {
    return {};
  }
  const journal::Totals totals = write_back_->journal_totals();
  return "records=" + std::to_string(totals.records) + ",writes=" + std::to_string(totals.writes) +
         ",failed=" + std::to_string(totals.failed) +
         ",sync_failures=" + std::to_string(totals.sync_failures) +
         ",bytes=" + std::to_string(totals.bytes) + ",segments=" + std::to_string(totals.segments);
}

std::string Writes::line(namespaces::Index space) const {
  std::string text;
  if (!has(space)) {
    return text;
  }
  for (std::size_t i = 0; i < kWriteCounters; i++) {
    text.append(",").append(kNames[i]).append("=");
    text.append(std::to_string(spaces_[space]->counts[i].load(std::memory_order_relaxed)));
  }
  return text;
}

std::uint64_t Writes::sum(WriteCounter counter) const {
  std::uint64_t sum = 0;
  for (const auto& space : spaces_) {
    sum += space->counts[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
  }
  return sum;
}

std::string Writes::source_line(std::size_t source) const {
  if (!sinks_[source]) {
    return {};
  }
  const l3::SinkTotals totals = sinks_[source]->totals();
  std::size_t unanswered = 0;
  {
    MutexLock lock(mutex_);
    unanswered = unanswered_[source];
  }
  return ",writes=" + std::to_string(totals.puts) +
         ",write_transactions=" + std::to_string(totals.transactions) +
         ",writes_failed=" + std::to_string(totals.failed) +
         ",writes_refused=" + std::to_string(totals.refused) +
         ",writes_waiting=" + std::to_string(totals.waiting) +
         ",writes_unanswered=" + std::to_string(unanswered) + back_line(source);
}

std::string Writes::back_line(std::size_t source) const {
  if (!write_back_) {
    return {};
  }
  const WriteBackTotals totals = write_back_->totals(source);
  return ",pending=" + std::to_string(totals.pending) +
         ",flushed=" + std::to_string(totals.flushed) +
         ",flush_transactions=" + std::to_string(totals.transactions) +
         ",coalesced=" + std::to_string(totals.coalesced) +
         ",flush_retries=" + std::to_string(totals.retries) +
         ",gone_through=" + std::to_string(totals.through) +
         ",dead_letters=" + std::to_string(totals.dead);
}

}  // namespace tiercache::proxy
