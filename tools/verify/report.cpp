#include "report.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <numeric>

namespace tiercache::verify {
namespace {

[[gnu::format(printf, 2, 3)]] void print(std::string& out, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  out += line;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) > '~') {
      print(out, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

unsigned long long wide(std::uint64_t n) {
  return n;
}

void add_examples(const Report& report, std::string& out) {
  std::array<bool, kChecks> shown{};
  for (const Violation& violation : report.examples) {
    const std::string_view check = name_of(violation.check);
    print(out, "\nVIOLATION of %.*s: key %u, by %s, at %.1f us\n", static_cast<int>(check.size()),
          check.data(), violation.key, violation.who.c_str(),
          static_cast<double>(violation.at - report.started) / 1000.0);
    out += "  " + violation.text + "\n";
    bool& traced = shown[static_cast<std::size_t>(violation.check)];
    if (!traced) {
      for (const TraceLine& line : violation.trace) {
        out += "  " + to_text(line, report.started) + "\n";
      }
      traced = true;
    }
  }
}

}  // namespace

std::optional<double> ProxyReport::hit_ratio() const {
  if (!hits || !misses) {
    return std::nullopt;
  }
  const std::uint64_t all = *hits + *misses;
  return all == 0 ? 0.0 : static_cast<double>(*hits) / static_cast<double>(all);
}

std::uint64_t Report::total_violations() const {
  return std::accumulate(violations.begin(), violations.end(), std::uint64_t{0});
}

void add(Report& report, const Tally& tally) {
  report.reads += tally.reads.get();
  report.direct_reads += tally.direct_reads.get();
  report.unjudged += tally.unjudged.get();
  report.writes += tally.writes.get();
  report.errors += tally.errors.get();
  report.unknown += tally.unknown.get();
  report.lost += tally.lost.get();
  for (std::size_t i = 0; i < kChecks; ++i) {
    report.checks[i] += tally.checks[i].get();
  }
}

std::string find_trouble(const Report& report, Faults faults) {
  if (report.reads == 0 || report.writes == 0) {
    return "nothing was read or written";
  }
  for (const ProxyReport& proxy : report.proxies) {
    const auto ratio = proxy.hit_ratio();
    if (ratio && *ratio < kLeastHitRatio) {
      return "the proxy at " + proxy.address + " answered next to nothing from L1";
    }
  }
  if (faults == Faults::none && report.data_losses > 0) {
    return "Redis lost its data during the run (see --faults-expected)";
  }
  if (!report.silent.empty()) {
    return "no answer at the end from" + report.silent;
  }
  if (report.checks[static_cast<std::size_t>(Check::settled)] == 0) {
    return "the comparison at the end found no peer that answers";
  }
  return {};
}

std::string to_text(const Report& report) {
  std::string out;
  print(out, "reads checked     %llu in %.1f s (%.0f/s), %llu more directly on Redis\n",
        wide(report.reads), report.seconds, static_cast<double>(report.reads) / report.seconds,
        wide(report.direct_reads));
  print(out, "writes            %llu, unknown outcome %llu\n", wide(report.writes),
        wide(report.unknown));
  print(out, "error replies     %llu, connections lost %llu, Redis lost its data %llu times\n",
        wide(report.errors), wide(report.lost), wide(report.data_losses));
  if (!report.first_error.empty()) {
    print(out, "                  the first: %s\n", report.first_error.c_str());
  }
  if (report.reads_until_violation) {
    print(out, "first violation   within %llu reads\n", wide(*report.reads_until_violation));
  }
  if (report.unjudged + report.dropped > 0) {
    print(out, "set aside         %llu reads of renamed keys, %llu suspicions before a data loss\n",
          wide(report.unjudged), wide(report.dropped));
  }
  print(out,
        "direct writes     seen after p50 %.0f us, p99 %.0f us, max %.0f us (%llu probes); "
        "max_staleness %lld ms\n",
        report.delay_p50_us, report.delay_p99_us, report.delay_max_us, wide(report.delays),
        static_cast<long long>(report.max_staleness_ms));
  print(out, "                  the slowest at %.3f s, %u reads showed the older state meanwhile\n",
        report.delay_max_at_s, report.delay_max_reads);
  for (const ProxyReport& proxy : report.proxies) {
    if (const auto ratio = proxy.hit_ratio()) {
      print(out, "%-17s hit ratio %.2f %% (%llu hits, %llu misses)\n", proxy.address.c_str(),
            100 * *ratio, wide(*proxy.hits), wide(*proxy.misses));
    } else {
      print(out, "%-17s hit ratio unknown: no CACHE STATS\n", proxy.address.c_str());
    }
  }
  print(out, "%-12s %16s %12s\n", "check", "judged", "violations");
  for (std::size_t i = 0; i < kChecks; ++i) {
    const std::string_view name = name_of(static_cast<Check>(i));
    print(out, "%-12.*s %16llu %12llu\n", static_cast<int>(name.size()), name.data(),
          wide(report.checks[i]), wide(report.violations[i]));
  }
  add_examples(report, out);
  if (!report.trouble.empty()) {
    out += "\nThis run proves nothing: " + report.trouble + ".\n";
  }
  print(out, "\n%s: %llu violations in %llu checked reads\n",
        report.total_violations() == 0 && report.trouble.empty() ? "PASSED" : "FAILED",
        wide(report.total_violations()), wide(report.reads));
  return out;
}

std::string to_json(const Report& report) {
  std::string out = "{";
  print(out, "\"seconds\":%.3f,\"max_staleness_ms\":%lld,", report.seconds,
        static_cast<long long>(report.max_staleness_ms));
  const auto number = [&](const char* name, std::uint64_t value) {
    print(out, "\"%s\":%llu,", name, wide(value));
  };
  number("reads", report.reads);
  number("direct_reads", report.direct_reads);
  number("writes", report.writes);
  number("errors", report.errors);
  number("unknown_outcomes", report.unknown);
  number("connections_lost", report.lost);
  number("data_losses", report.data_losses);
  number("reads_unjudged", report.unjudged);
  number("suspicions_dropped", report.dropped);
  number("violations", report.total_violations());
  if (report.reads_until_violation) {
    number("reads_until_violation", *report.reads_until_violation);
  }
  if (!report.examples.empty()) {
    const auto first =
        std::min_element(report.examples.begin(), report.examples.end(),
                         [](const Violation& a, const Violation& b) { return a.at < b.at; });
    out += "\"first_violation\":" + quoted(name_of(first->check)) + ",";
  }
  out += "\"first_error\":" + quoted(report.first_error) + ",";
  print(out,
        "\"staleness_us\":{\"probes\":%llu,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f,\"max_at_s\":%."
        "3f,\"max_old_reads\":%u},",
        wide(report.delays), report.delay_p50_us, report.delay_p99_us, report.delay_max_us,
        report.delay_max_at_s, report.delay_max_reads);
  out += "\"proxies\":[";
  for (std::size_t i = 0; i < report.proxies.size(); ++i) {
    const ProxyReport& proxy = report.proxies[i];
    out += (i == 0 ? "" : ",");
    out.append("{\"address\":").append(quoted(proxy.address));
    if (const auto ratio = proxy.hit_ratio()) {
      print(out, ",\"hits\":%llu,\"misses\":%llu,\"hit_ratio\":%.6f", wide(*proxy.hits),
            wide(*proxy.misses), *ratio);
    }
    out += "}";
  }
  out += "],\"checks\":{";
  for (std::size_t i = 0; i < kChecks; ++i) {
    out.append(i == 0 ? "" : ",").append(quoted(name_of(static_cast<Check>(i))));
    print(out, ":{\"judged\":%llu,\"violations\":%llu}", wide(report.checks[i]),
          wide(report.violations[i]));
  }
  out += "},\"examples\":[";
  for (std::size_t i = 0; i < report.examples.size(); ++i) {
    const Violation& violation = report.examples[i];
    out += (i == 0 ? "{" : ",{");
    print(out, "\"key\":%u,\"check\":", violation.key);
    out += quoted(name_of(violation.check)) + ",\"who\":" + quoted(violation.who) +
           ",\"text\":" + quoted(violation.text) + ",\"trace\":[";
    for (std::size_t line = 0; line < violation.trace.size(); ++line) {
      out.append(line == 0 ? "" : ",");
      out.append(quoted(to_text(violation.trace[line], report.started)));
    }
    out += "]}";
  }
  out += "],\"trouble\":" + quoted(report.trouble) + ",\"passed\":";
  out += report.total_violations() == 0 && report.trouble.empty() ? "true}\n" : "false}\n";
  return out;
}

}  // namespace tiercache::verify
