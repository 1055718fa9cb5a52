// Loads: its figures.
#include "tiercache/proxy/loads.hpp"
#include "tiercache/proxy/writes.hpp"

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::proxy {

namespace {

constexpr std::array<std::string_view, kLoadCounters> kNames = {
    "loads",           "load_joined", "load_absent", "load_failed",    "load_unfit", "load_stored",
    "load_not_stored", "load_anew",   "stale",       "stale_on_error", "load_found", "load_left"};

}  // namespace

std::string Loads::line(namespaces::Index space) const {
  std::string text;
  if (spaces_[space]->source == nullptr) {
    return text;
  }
  for (std::size_t i = 0; i < kLoadCounters; i++) {
    text.append(",").append(kNames[i]).append("=");
    text.append(std::to_string(spaces_[space]->counts[i].load(std::memory_order_relaxed)));
  }
  return writes_ ? text + writes_->line(space) : text;
}

std::uint64_t Loads::sum(LoadCounter counter) const {
  std::uint64_t sum = 0;
  for (const auto& space : spaces_) {
    sum += space->counts[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
  }
  return sum;
}

std::vector<std::pair<std::string, std::string>> Loads::source_lines() const {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const auto& source : sources_) {
    const l3::SourceTotals totals = source->totals();
    const std::pair<std::string_view, std::uint64_t> facts[] = {
        {"loads", totals.loads},
        {"queries", totals.queries},
        {"failed", totals.failed},
        {"timeouts", totals.timeouts},
        {"not_modified", totals.not_modified},
        {"refused", totals.refused},
        {"waiting", totals.waiting},
        {"running", totals.running},
        {"most_running", totals.most_running},
        {"allowed", totals.allowed},
        {"busy_us", totals.busy_us},
        {"left_alone", totals.left_alone ? 1 : 0},
        {"left_alone_times", totals.opened}};
    std::string text;
    for (const auto& [name, value] : facts) {
      text.append(text.empty() ? "" : ",").append(name).append("=");
      text.append(std::to_string(value));
    }
    if (writes_) {
      text += writes_->source_line(lines.size());
    }
    lines.emplace_back(source->name(), std::move(text));
  }
  return lines;
}

}  // namespace tiercache::proxy
