#include "suggest.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace tiercache::config {
namespace {

// Longer names are noise, and the distance is quadratic.
constexpr std::size_t kMaxName = 64;

// Levenshtein's.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string_view leaf(std::string_view name) {
  return name.substr(name.rfind('.') + 1);
}

}  // namespace

std::string suggestion(std::string_view name, std::span<const std::string_view> known) {
  if (name.size() > kMaxName) {
    return {};
  }
  std::string_view nearest;
  std::size_t least = std::max<std::size_t>(2, name.size() / 4) + 1;
  for (const std::string_view candidate : known) {
    std::size_t far = distance(name, candidate);
    if (candidate.find('.') != candidate.npos && leaf(candidate) == leaf(name)) {
      far = std::min(far, std::size_t{2});
    }
    if (far < least && far < std::max(name.size(), candidate.size())) {
      least = far;
      nearest = candidate;
    }
  }
  if (nearest.empty()) {
    return {};
  }
  return std::string("; did you mean '").append(nearest).append("'?");
}

}  // namespace tiercache::config
