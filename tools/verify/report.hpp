// What a run found, for people and as one JSON object.
#pragma once

#include "plan.hpp"
#include "tally.hpp"
#include "violations.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tiercache::verify {

struct ProxyReport {
  std::string address{};
  std::optional<std::uint64_t> hits{};  // over the run; nothing if CACHE STATS is not answered
  std::optional<std::uint64_t> misses{};

  // In [0, 1].
  std::optional<double> hit_ratio() const;
};

struct Report {
  double seconds = 0;
  std::int64_t max_staleness_ms = 0;
  std::uint64_t reads = 0;
  std::uint64_t direct_reads = 0;
  std::uint64_t unjudged = 0;
  std::uint64_t writes = 0;
  std::uint64_t errors = 0;
  std::uint64_t unknown = 0;
  std::uint64_t lost = 0;
  std::uint64_t data_losses = 0;
  std::uint64_t dropped = 0;
  std::array<std::uint64_t, kChecks> checks{};
  std::array<std::uint64_t, kChecks> violations{};
  std::uint64_t delays = 0;
  double delay_p50_us = 0;
  double delay_p99_us = 0;
  double delay_max_us = 0;
  double delay_max_at_s = 0;          // since the start
  std::uint32_t delay_max_reads = 0;  // that showed the older state meanwhile
  std::vector<ProxyReport> proxies{};
  std::vector<Violation> examples{};
  Nanos started = 0;
  // Reads checked when the first violation was noticed, to within 20 ms.
  std::optional<std::uint64_t> reads_until_violation{};
  std::string first_error{};
  std::string silent{};   // peers that did not answer at the end
  std::string trouble{};  // why the run proves nothing, if so

  std::uint64_t total_violations() const;
};

inline constexpr double kLeastHitRatio = 0.01;

// What makes a run without violations worthless: nothing read, a proxy without hits, lost data that
// nobody expected. Empty if nothing does.
std::string find_trouble(const Report& report, Faults faults);

void add(Report& report, const Tally& tally);
std::string to_text(const Report& report);
std::string to_json(const Report& report);

}  // namespace tiercache::verify
