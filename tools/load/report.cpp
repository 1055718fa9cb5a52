#include "report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace tiercache::load {
namespace {

struct Quantile {
  const char* name;
  double share;
};
constexpr Quantile kQuantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

template <class... Values>
std::string formatted(const char* format, Values... values) {
  std::array<char, 256> text;
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

double microseconds(std::uint64_t ns) {
  return static_cast<double>(ns) / 1e3;
}

double rate(const Tally& tally, double seconds) {
  return seconds > 0 ? static_cast<double>(tally.replies) / seconds : 0;
}

// What an error says is the server's own: only what needs no care in JSON and on terminals stays.
std::string plain(const std::string& text) {
  std::string out = text;
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c > '~' || c == '"' || c == '\\'; },
      '?');
  return out;
}

unsigned long long number(std::uint64_t value) {
  return value;
}

}  // namespace

void Tally::merge(const Tally& other) {
  replies += other.replies;
  errors += other.errors;
  nulls += other.nulls;
  unanswered += other.unanswered;
  late_ns = std::max(late_ns, other.late_ns);
  if (first_error.empty()) {
    first_error = other.first_error;
  }
  latency.merge(other.latency);
}

std::string to_text(const Tally& tally, double seconds) {
  std::string out = formatted("%.0f requests/s: %llu in %.3f s\n", rate(tally, seconds),
                              number(tally.replies), seconds);
  out += "latency, us:";
  for (const Quantile& quantile : kQuantiles) {
    out +=
        formatted("  %s %.1f", quantile.name, microseconds(tally.latency.quantile(quantile.share)));
  }
  out += formatted("  max %.1f\n", microseconds(tally.latency.max()));
  out += formatted("errors %llu, nulls %llu, unanswered %llu\n", number(tally.errors),
                   number(tally.nulls), number(tally.unanswered));
  if (tally.late_ns > 0) {
    out +=
        formatted("a request left at most %.1f us after it was due\n", microseconds(tally.late_ns));
  }
  if (!tally.first_error.empty()) {
    out += "first error: " + plain(tally.first_error) + "\n";
  }
  return out;
}

std::string to_json(const Tally& tally, double seconds) {
  std::string out =
      formatted("{\"requests\": %llu, \"seconds\": %.6f, \"rate\": %.1f, \"errors\": %llu, ",
                number(tally.replies), seconds, rate(tally, seconds), number(tally.errors));
  out += formatted("\"nulls\": %llu, \"unanswered\": %llu, ", number(tally.nulls),
                   number(tally.unanswered));
  for (const Quantile& quantile : kQuantiles) {
    out += formatted("\"%s\": %.3f, ", quantile.name,
                     microseconds(tally.latency.quantile(quantile.share)));
  }
  out += formatted("\"max\": %.3f, \"late\": %.3f, ", microseconds(tally.latency.max()),
                   microseconds(tally.late_ns));
  return out + "\"first_error\": \"" + plain(tally.first_error) + "\"}\n";
}

}  // namespace tiercache::load
