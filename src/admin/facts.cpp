#include "facts.hpp"

#include "tiercache/config/schema.hpp"
#include "tiercache/proxy/invalidations.hpp"
#include "tiercache/proxy/loads.hpp"
#include "tiercache/proxy/writes.hpp"

#include <chrono>
#include <cstdio>
#include <optional>
#include <type_traits>
#include <utility>

#include <unistd.h>

namespace tiercache::admin {

namespace {

using stats::Counter;
using std::chrono::milliseconds;

std::int64_t number(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>(value);
}

struct Snapshot {
  stats::Sums sums;
  coherence::CacheTotals totals;
  coherence::View view;
  l2::EventsSnapshot events;
  ConfigPtr config;

  std::uint64_t fence_timeouts = 0;
  std::int64_t links = 0;
  std::int64_t links_refused = 0;
  std::size_t shards = 0;

  explicit Snapshot(const AdminParts& parts)
      : sums(parts.registry.sum()),
        view(parts.cache.status().view()),
        events(parts.events.snapshot()),
        config(parts.settings.get()) {
    bool first = true;
    for (const proxy::Node& node : parts.hub.nodes()) {
      add(node, std::exchange(first, false));
    }
  }
  // Of several nodes, sums, and the event link that is in the worst state.
  void add(const proxy::Node& node, bool first) {
    const coherence::CacheTotals its = node.cache.totals();
    totals.entries += its.entries;
    totals.bytes += its.bytes;
    totals.evictions += its.evictions;
    totals.expired += its.expired;
    totals.refused += its.refused;
    totals.invalidated += its.invalidated;
    totals.flights += its.flights;
    shards += node.cache.shards();
    links += node.upstream->links.load(std::memory_order_relaxed);
    links_refused += node.upstream->refused.load(std::memory_order_relaxed);
    fence_timeouts += node.fences.counters().timeouts.load(std::memory_order_relaxed);
    if (first) {
      return;
    }
    const std::uint64_t generation = view.generation;
    const coherence::View other = node.cache.status().view();
    const l2::EventsSnapshot seen = node.events.snapshot();
    const l2::EventsSnapshot before = events;
    const bool worse = badness(other.state) > badness(view.state) ||
                       (other.state == view.state && other.acked_at < view.acked_at);
    if (worse && node.upstream->endpoint()) {
      view = other;
      events = seen;
    }
    view.generation = generation + other.generation - 1;
    events.events = before.events + seen.events;
    events.connects = before.connects + (seen.connects > 0 ? seen.connects - 1 : 0);
    events.losses = before.losses + seen.losses;
  }
  static int badness(coherence::LinkState state) noexcept {
    switch (state) {
      case coherence::LinkState::live:
        return 0;
      case coherence::LinkState::suspect:
        return 1;
      case coherence::LinkState::syncing:
        return 2;
      case coherence::LinkState::down:
        break;
    }
    return 3;
  }
  std::int64_t sum(Counter counter) const noexcept {
    return number(sums[static_cast<std::size_t>(counter)]);
  }
  // Some are counted by others than the threads.
  std::int64_t of(Counter counter) const noexcept {
    switch (counter) {
      case Counter::l1_evictions:
        return number(totals.evictions);
      case Counter::l1_expired:
        return number(totals.expired);
      case Counter::l1_invalidations:
        return number(totals.invalidated);
      case Counter::events_received:
        return number(events.events);
      case Counter::l2_reconnects:
        return number(events.connects > 0 ? events.connects - 1 : 0);
      case Counter::generation_bumps:
        return number(view.generation - 1);
      default:
        return sum(counter);
    }
  }
  // Without a stream an entry's age is the bound, and nothing ever shows that it is less.
  std::int64_t bound_ms(Time now) const noexcept {
    return view.state == coherence::LinkState::live && view.proof == coherence::Proof::age
               ? std::int64_t{config->coherence.max_staleness.count()}
               : staleness_bound_ms(view, now);
  }
  std::string invalidation() const {
    const auto index = static_cast<std::size_t>(config->coherence.invalidation);
    return std::string(config::find_key("coherence.invalidation")->choices[index]);
  }
  std::string invalidation_active() const {
    return events.transport ? l2::name(*events.transport) : "none";
  }
  double hit_ratio() const noexcept {
    const auto hits = static_cast<double>(sum(Counter::l1_hits));
    const auto all = hits + static_cast<double>(sum(Counter::l1_misses));
    return all > 0 ? hits / all : 0;
  }
};

// Empty: no server is known.
std::string address(const AdminParts& parts) {
  const auto endpoint = parts.upstream.endpoint();
  return endpoint ? config::to_string(*endpoint) : std::string();
}

std::int64_t uptime_s(const AdminParts& parts, Time now) {
  return std::chrono::duration_cast<std::chrono::seconds>(now - parts.started).count();
}

void append_line(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(":");
  for (const char c : value) {
    text.push_back(c == '\r' || c == '\n' ? ' ' : c);
  }
  text.append("\r\n");
}

void append_line(std::string& text, std::string_view name, std::int64_t value) {
  append_line(text, name, std::to_string(value));
}

}  // namespace

std::int64_t staleness_bound_ms(const coherence::View& view, Time now) noexcept {
  if (view.state != coherence::LinkState::live) {
    return -1;
  }
  return std::max<std::int64_t>(0, std::chrono::ceil<milliseconds>(now - view.acked_at).count());
}

std::int64_t replica_lag_ms(const coherence::CatchUp& catch_up, Time now) noexcept {
  const Time at = catch_up.caught_at();
  return at == kNever
             ? -1
             : std::max<std::int64_t>(0, std::chrono::ceil<milliseconds>(now - at).count());
}

std::string text_of(const Fact& fact) {
  return std::visit(
      [](const auto& value) -> std::string {
        using T = std::remove_cvref_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return value;
        } else if constexpr (std::is_same_v<T, double>) {
          char buffer[32];
          std::snprintf(buffer, sizeof buffer, "%.4f", value);
          return buffer;
        } else {
          return std::to_string(value);
        }
      },
      fact.value);
}

namespace {

// 0: it has not begun yet.
std::int64_t started_unix_s(const warmup::Progress& progress) {
  return progress.state == warmup::State::idle
             ? 0
             : std::chrono::duration_cast<std::chrono::seconds>(progress.started.time_since_epoch())
                   .count();
}

// Nothing: reads go to the masters.
std::optional<std::int64_t> worst_replica_lag_ms(const proxy::Hub& hub, Time now) {
  std::optional<std::int64_t> worst;
  for (const proxy::Node& node : hub.nodes()) {
    if (node.reader != nullptr && node.upstream->endpoint()) {
      const std::int64_t lag = replica_lag_ms(node.reader->catch_up, now);
      worst = lag < 0 || worst == -1 ? -1 : std::max(worst.value_or(0), lag);
    }
  }
  return worst;
}

double seconds_of(const warmup::Progress& progress) {
  return std::chrono::duration<double>(progress.took).count();
}

}  // namespace

std::vector<Fact> warm_facts(const warmup::Progress& progress) {
  const double seconds = seconds_of(progress);
  return {
      {"warm_state", std::string(name(progress.state))},
      {"warm_reason", progress.reason},
      {"warm_progress", warmup::bar_of(progress)},
      {"warm_pattern", progress.job.pattern},
      {"warm_db", std::int64_t{progress.job.db}},
      {"warm_limit", number(progress.job.limit)},
      {"warm_rate", progress.state == warmup::State::idle ? 0 : std::int64_t{progress.job.rate}},
      {"warm_scanned", number(progress.scanned)},
      {"warm_filled", number(progress.filled)},
      {"warm_present", number(progress.present)},
      {"warm_refused", number(progress.refused)},
      {"warm_other_type", number(progress.other_type)},
      {"warm_failed", number(progress.failed)},
      {"warm_started_unix_s", started_unix_s(progress)},
      {"warm_seconds", seconds},
      {"warm_keys_per_s", seconds > 0 ? static_cast<double>(progress.scanned) / seconds : 0.0},
  };
}

std::vector<Fact> warmup_facts(const warmup::NamedProgress& named) {
  const warmup::Progress& progress = named.progress;
  return {
      {"name", named.name},
      {"strategy", std::string(warmup::name(named.strategy))},
      {"required", std::int64_t{named.required ? 1 : 0}},
      {"state", std::string(name(progress.state))},
      {"reason", progress.reason},
      {"progress", warmup::bar_of(progress)},
      {"runs", number(progress.runs)},
      {"seen", number(progress.scanned)},
      {"loaded", number(progress.loaded)},
      {"filled", number(progress.filled)},
      {"present", number(progress.present)},
      {"refused", number(progress.refused)},
      {"other_type", number(progress.other_type)},
      {"failed", number(progress.failed)},
      {"started_unix_s", started_unix_s(progress)},
      {"seconds", seconds_of(progress)},
  };
}

std::vector<Fact> namespace_facts(const proxy::Hub& hub) {
  std::vector<Fact> facts;
  for (auto& [name, line] : proxy::namespace_lines(hub)) {
    facts.push_back({"namespace_" + name, std::move(line)});
  }
  if (hub.loads) {
    for (auto& [name, line] : hub.loads->source_lines()) {
      facts.push_back({"source_" + name, std::move(line)});
    }
    const proxy::Writes* writes = hub.loads->writes();
    if (std::string line = writes != nullptr ? writes->journal_line() : ""; !line.empty()) {
      facts.push_back({"journal", std::move(line)});
    }
  }
  return facts;
}

std::vector<Fact> stats_facts(const AdminParts& parts, Time now) {
  const Snapshot at(parts);
  std::vector<Fact> facts{
      {"version", parts.version},
      {"uptime_s", uptime_s(parts, now)},
      {"threads", number(parts.hub.workers.size())},
      {"clients", std::int64_t{parts.hub.clients.load(std::memory_order_relaxed)}},
      {"hit_ratio", at.hit_ratio()},
  };
  for (const stats::CounterName& counter : stats::kCounterNames) {
    facts.push_back({std::string(counter.name), at.of(counter.counter)});
  }
  const std::vector<Fact> rest{
      {"l1_entries", number(at.totals.entries)},
      {"l1_bytes", number(at.totals.bytes)},
      {"l1_max_memory", number(at.config->l1.max_memory)},
      {"l1_max_entries", number(at.config->l1.max_entries)},
      {"l1_shards", number(at.shards)},
      {"l1_flights", number(at.totals.flights)},
      {"l1_commits_refused", number(at.totals.refused)},
      {"generation", number(at.view.generation)},
      {"invalidation", at.invalidation()},
      {"invalidation_active", at.invalidation_active()},
      {"invalidation_stepped_down", at.events.stepped_down},
      {"event_link_state", std::string(coherence::name(at.view.state))},
      {"event_link_connects", number(at.events.connects)},
      {"event_link_losses", number(at.events.losses)},
      {"event_link_canary", std::int64_t{at.events.canary ? 1 : 0}},
      {"event_link_last_error", at.events.last_error},
      {"max_staleness_ms", std::int64_t{at.config->coherence.max_staleness.count()}},
      {"staleness_bound_ms", at.bound_ms(now)},
      {"fence_timeouts", number(at.fence_timeouts)},
      {"l2_links", at.links},
      {"l2_links_refused", at.links_refused},
      {"upstream_address", address(parts)},
      {"upstream_version", at.events.version},
      {"upstream_role", at.events.role},
      {"upstream_run_id", at.events.run_id},
  };
  facts.insert(facts.end(), rest.begin(), rest.end());
  if (const auto lag = worst_replica_lag_ms(parts.hub, now)) {
    facts.push_back({"replica_lag_ms", *lag});
  }
  const std::vector<Fact> warm = warm_facts(parts.warmup.progress());
  facts.insert(facts.end(), warm.begin(), warm.end());
  const std::vector<Fact> spaces = namespace_facts(parts.hub);
  facts.insert(facts.end(), spaces.begin(), spaces.end());
  for (auto& [name, line] : parts.feeds.lines()) {
    facts.push_back({"feed_" + name, std::move(line)});
  }
  for (auto& [name, line] : parts.handlers.lines()) {
    facts.push_back({"handler_" + name, std::move(line)});
  }
  auto pending = parts.hub.invalidations->lines();
  facts.push_back({"invalidations_pending", number(pending.size())});
  for (auto& [id, line] : pending) {
    facts.push_back({"invalidation_" + std::to_string(id), std::move(line)});
  }
  return facts;
}

std::string tiercache_section(const AdminParts& parts, Time now) {
  const Snapshot at(parts);
  std::string text = "# Tiercache\r\n";
  append_line(text, "tiercache_version", parts.version);
  append_line(text, "tiercache_process_id", ::getpid());
  append_line(text, "tiercache_uptime_in_seconds", uptime_s(parts, now));
  append_line(text, "tiercache_threads", number(parts.hub.workers.size()));
  append_line(text, "tiercache_connected_clients", std::int64_t{parts.hub.clients.load()});
  append_line(text, "tiercache_clients_accepted", at.of(Counter::clients_accepted));
  append_line(text, "tiercache_commands_processed", at.of(Counter::commands));
  append_line(text, "tiercache_net_input_bytes", at.of(Counter::bytes_in));
  append_line(text, "tiercache_net_output_bytes", at.of(Counter::bytes_out));
  append_line(text, "tiercache_protocol_errors", at.of(Counter::protocol_errors));
  append_line(text, "invalidation", at.invalidation());
  append_line(text, "invalidation_active", at.invalidation_active());
  append_line(text, "tiercache_warm_state", name(parts.warmup.progress().state));
  return text;
}

std::string tiers_section(const AdminParts& parts, Upstream upstream, Time now) {
  const Snapshot at(parts);
  const bool down = upstream == Upstream::down || at.view.state == coherence::LinkState::down;
  std::string text = "# Tiers\r\n";
  append_line(text, "l1_entries", number(at.totals.entries));
  append_line(text, "l1_bytes", number(at.totals.bytes));
  append_line(text, "l1_max_memory", number(at.config->l1.max_memory));
  append_line(text, "l1_hits", at.of(Counter::l1_hits));
  append_line(text, "l1_misses", at.of(Counter::l1_misses));
  append_line(text, "l1_hit_ratio", text_of({"", at.hit_ratio()}));
  append_line(text, "l1_evictions", at.of(Counter::l1_evictions));
  append_line(text, "l1_invalidations", at.of(Counter::l1_invalidations));
  append_line(text, "l2_requests", at.of(Counter::l2_requests));
  append_line(text, "l2_errors", at.of(Counter::l2_errors));
  if (parts.hub.loads) {
    const proxy::Loads& loads = *parts.hub.loads;
    append_line(text, "l3_loads", number(loads.sum(proxy::LoadCounter::loads)));
    append_line(text, "l3_joined", number(loads.sum(proxy::LoadCounter::joined)));
    append_line(text, "l3_absent", number(loads.sum(proxy::LoadCounter::absent)));
    append_line(text, "l3_failed", number(loads.sum(proxy::LoadCounter::failed)));
    if (const proxy::Writes* writes = loads.writes()) {
      using Of = proxy::WriteCounter;
      append_line(text, "l3_writes", number(writes->sum(Of::written)));
      append_line(text, "l3_writes_refused", number(writes->sum(Of::refused)));
      append_line(text, "l3_writes_failed", number(writes->sum(Of::failed)));
      append_line(text, "l3_writes_halved", number(writes->sum(Of::halved)));
      append_line(text, "l3_writes_pending", number(writes->unapplied()));
    }
  }
  append_line(text, "upstream_address", address(parts));
  append_line(text, "upstream_status", down ? "down" : "up");
  append_line(text, "event_link_state", coherence::name(at.view.state));
  append_line(text, "event_link_last_error", at.events.last_error);
  append_line(text, "max_staleness_ms", std::int64_t{at.config->coherence.max_staleness.count()});
  append_line(text, "staleness_bound_ms", at.bound_ms(now));
  append_line(text, "audit_checked", at.of(Counter::audit_checked));
  append_line(text, "audit_raced", at.of(Counter::audit_raced));
  append_line(text, "audit_stale", at.of(Counter::audit_stale));
  append_line(text, "audit_skipped", at.of(Counter::audit_skipped));
  append_line(text, "audit_unauditable", at.of(Counter::audit_unauditable));
  return text;
}

}  // namespace tiercache::admin
