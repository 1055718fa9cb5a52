#include "run.hpp"

#include "comparison.hpp"
#include "control.hpp"
#include "data_watch.hpp"
#include "prober.hpp"
#include "readers.hpp"
#include "run_state.hpp"
#include "watch_session.hpp"
#include "worker.hpp"
#include "writer.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <thread>

#include <unistd.h>

namespace tiercache::verify {
namespace {

constexpr std::int64_t kDefaultStalenessMs = 1000;
constexpr Nanos kSecond = 1'000'000'000;
constexpr std::uint32_t kIdleWriteRate = 5;
constexpr std::uint32_t kIdleKeys = 200;
constexpr auto kWatchPause = std::chrono::milliseconds(20);
constexpr Nanos kProgressEvery = 10 * kSecond;

struct CacheStats {
  std::optional<std::uint64_t> hits{};
  std::optional<std::uint64_t> misses{};
  std::optional<std::uint64_t> max_staleness_ms{};
};

CacheStats ask_stats(const Endpoint& endpoint) {
  Control control(endpoint);
  CacheStats stats;
  const auto reply = control.call({"CACHE", "STATS"});
  if (!reply || reply->kind != Reply::Kind::list) {
    return stats;
  }
  for (std::size_t i = 0; i + 1 < reply->items.size(); i += 2) {
    const std::string_view name = reply->items[i].text;
    const std::string_view text = reply->items[i + 1].text;
    std::uint64_t number = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc()) {
      continue;
    }
    if (name == "l1_hits") {
      stats.hits = number;
    } else if (name == "l1_misses") {
      stats.misses = number;
    } else if (name == "max_staleness_ms") {
      stats.max_staleness_ms = number;
    }
  }
  return stats;
}

// Why the peer is of no use; empty: it answers PING.
std::string why_useless(const Endpoint& endpoint) {
  Control control(endpoint, 2000);
  const auto reply = control.call({"PING"});
  if (!reply) {
    return "does not answer";
  }
  return reply->is("PONG") ? "" : "answers PING with: " + std::string(reply->text.substr(0, 200));
}

std::string shown(const Endpoint& endpoint) {
  return endpoint.host + ":" + std::to_string(endpoint.port);
}

class Crew {
 public:
  explicit Crew(RunState& run) : run_(run), zipf_(zipf_table(run.settings.keys)), prober_(run) {
    for (unsigned i = 0; i < run.settings.threads; ++i) {
      workers_.push_back(std::make_unique<Worker>(run));
    }
    hire_writers();
    if (run.settings.load == Load::idle) {
      return;
    }
    for (Lane lane = 0; lane < run.plan.lanes(); ++lane) {
      hire_readers(lane);
      hire<WatchSession>(lane, "watch1", Protocol::resp2);
    }
    for (Lane lane = 0; lane < run.plan.proxies; ++lane) {
      hire<WatchSession>(lane, "watch2", Protocol::resp3);
    }
  }

  void start() {
    for (const auto& worker : workers_) {
      threads_.emplace_back([&worker] { worker->run(); });
    }
    threads_.emplace_back([this] { prober_.run(); });
  }
  void join() {
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
    for (const auto& worker : workers_) {
      worker->give_traces();
    }
  }
  void add_to(Report& report) const {
    for (const auto& worker : workers_) {
      add(report, worker->tally());
    }
    add(report, prober_.tally());
  }
  const Prober& prober() const noexcept {
    return prober_;
  }

 private:
  template <class Kind, class... Rest>
  void hire(Lane lane, std::string role, Protocol protocol, Rest&&... rest) {
    Worker& worker = *workers_[hired_++ % workers_.size()];
    Identity identity;
    identity.lane = lane;
    identity.protocol = protocol;
    identity.role = std::move(role);
    identity.seed = run_.settings.seed * 1000 + hired_;
    worker.add(std::make_unique<Kind>(run_, worker.tally(), std::move(identity),
                                      std::forward<Rest>(rest)...));
  }

  void hire_writers() {
    for (unsigned i = 0; i < run_.plan.writers(); ++i) {
      hire<Writer>(run_.plan.lane_of_writer(i), "writer" + std::to_string(i),
                   i / run_.plan.lanes() % 2 == 0 ? Protocol::resp2 : Protocol::resp3,
                   static_cast<std::uint8_t>(i));
    }
  }
  void hire_readers(Lane lane) {
    hire<MixedReader>(lane, "mixed.resp2", Protocol::resp2, std::size_t{4}, zipf_);
    if (lane == run_.plan.direct_lane()) {
      return;
    }
    hire<MixedReader>(lane, "mixed.resp3", Protocol::resp3, std::size_t{12}, zipf_);
    hire<FastReader>(lane, "fast16.resp3", Protocol::resp3, std::size_t{16}, zipf_);
    hire<FastReader>(lane, "fast256.resp3", Protocol::resp3, std::size_t{256}, zipf_);
    hire<FastReader>(lane, "fast512.resp2", Protocol::resp2, std::size_t{512}, zipf_);
  }

  RunState& run_;
  const std::vector<KeyId> zipf_;
  std::vector<std::unique_ptr<Worker>> workers_{};
  Prober prober_;
  std::vector<std::thread> threads_{};
  std::size_t hired_ = 0;
};

void show_progress(const RunState& run, const Crew& crew, Nanos now) {
  Report report;
  crew.add_to(report);
  std::fprintf(stderr, "%5.0f s  %llu reads checked, %llu violations\n",
               static_cast<double>(now - run.started) / 1e9,
               static_cast<unsigned long long>(report.reads),
               static_cast<unsigned long long>(run.violations.total()));
}

// Until `end`, or a violation that ends the run.
void wait_until(RunState& run, const Crew& crew, DataWatch& data, Nanos end,
                std::optional<std::uint64_t>& reads_until_violation) {
  for (Nanos now = now_nanos(), next = now + kProgressEvery; now < end; now = now_nanos()) {
    if (run.violations.total() > 0 && !reads_until_violation) {
      Report report;
      crew.add_to(report);
      reads_until_violation = report.reads;
    }
    if (reads_until_violation && run.settings.until == Until::violation) {
      return;
    }
    std::this_thread::sleep_for(
        std::min(std::chrono::nanoseconds(kWatchPause), std::chrono::nanoseconds(end - now)));
    data.check();
    if (now > next) {
      show_progress(run, crew, now);
      next += kProgressEvery;
    }
  }
}

Report summarize(RunState& run, const Crew& crew, const DataWatch& data, const Tally& own,
                 double seconds) {
  Report report;
  crew.add_to(report);
  add(report, own);
  add(report, data.tally());
  report.seconds = seconds;
  report.started = run.started;
  report.max_staleness_ms = run.settings.max_staleness_ms;
  report.data_losses = data.losses();
  report.dropped = run.violations.dropped();
  for (std::size_t i = 0; i < kChecks; ++i) {
    report.violations[i] = run.violations.count(static_cast<Check>(i));
  }
  report.examples = run.violations.examples();
  const stats::Histogram& delays = crew.prober().delays();
  report.delays = delays.count();
  report.delay_p50_us = static_cast<double>(delays.quantile(0.5)) / 1000;
  report.delay_p99_us = static_cast<double>(delays.quantile(0.99)) / 1000;
  report.delay_max_us = static_cast<double>(delays.max()) / 1000;
  const Prober::Slowest& slowest = crew.prober().slowest();
  report.delay_max_at_s = static_cast<double>(slowest.written - run.started) / 1e9;
  report.delay_max_reads = slowest.old_reads;
  return report;
}

Status check_peers(Settings& settings) {
  if (const std::string why = why_useless(settings.redis); !why.empty()) {
    return Error{ErrorCode::unavailable, "Redis at " + shown(settings.redis) + " " + why};
  }
  std::uint64_t longest = 0;
  for (const Endpoint& proxy : settings.proxies) {
    if (const std::string why = why_useless(proxy); !why.empty()) {
      return Error{ErrorCode::unavailable, "the proxy at " + shown(proxy) + " " + why};
    }
    longest = std::max(longest, ask_stats(proxy).max_staleness_ms.value_or(0));
  }
  if (settings.max_staleness_ms < 0) {
    settings.max_staleness_ms =
        longest == 0 ? kDefaultStalenessMs : static_cast<std::int64_t>(longest);
  }
  return Unit{};
}

}  // namespace

Result<Report> run(Settings settings) {
  if (Status status = check_peers(settings); !status) {
    return std::move(status).error();
  }
  if (settings.load == Load::idle) {
    settings.write_rate = kIdleWriteRate;
    settings.keys = std::min(settings.keys, kIdleKeys);
  }
  std::vector<CacheStats> before;
  for (const Endpoint& proxy : settings.proxies) {
    before.push_back(ask_stats(proxy));
  }
  const auto run_number = static_cast<std::uint16_t>(
      (settings.seed ^ static_cast<std::uint64_t>(::getpid()) * 2654435761U ^
       static_cast<std::uint64_t>(now_nanos() >> 20)) &
      0xffffU);
  const auto state = std::make_unique<RunState>(settings, run_number);
  DataWatch data(*state);
  if (!data.begin()) {
    return Error{ErrorCode::refused, "Redis at " + shown(settings.redis) + " takes no writes"};
  }

  const auto crew = std::make_unique<Crew>(*state);
  crew->start();
  std::optional<std::uint64_t> until_violation;
  wait_until(*state, *crew, data, state->started + settings.seconds * kSecond, until_violation);
  state->phase = Phase::reading;
  wait_until(*state, *crew, data, now_nanos() + state->max_staleness() + kSecond, until_violation);
  state->phase = Phase::ending;
  crew->join();
  const double seconds = static_cast<double>(now_nanos() - state->started) / 1e9;

  const auto own = std::make_unique<Tally>();
  // A run that a violation has ended has not come to rest: there is nothing to compare.
  const bool stopped = until_violation && settings.until == Until::violation;
  std::vector<Lane> silent;
  if (!stopped) {
    silent = compare_all(*state, *own);
    check_watch_counters(*state, *own);
  }
  data.check();
  Report report = summarize(*state, *crew, data, *own, seconds);
  for (std::size_t i = 0; i < settings.proxies.size(); ++i) {
    const CacheStats after = ask_stats(settings.proxies[i]);
    ProxyReport proxy;
    proxy.address = shown(settings.proxies[i]);
    if (after.hits && before[i].hits && after.misses && before[i].misses) {
      proxy.hits = *after.hits - std::min(*after.hits, *before[i].hits);
      proxy.misses = *after.misses - std::min(*after.misses, *before[i].misses);
    }
    report.proxies.push_back(std::move(proxy));
  }
  for (const Lane lane : silent) {
    report.silent += " " + shown(state->endpoint(lane));
  }
  report.first_error = state->first_error;
  report.reads_until_violation = until_violation;
  if (!until_violation && report.total_violations() > 0) {
    report.reads_until_violation = report.reads;  // it showed at the end only
  }
  remove_keys(*state);
  report.trouble = find_trouble(report, settings.faults);
  return report;
}

}  // namespace tiercache::verify
