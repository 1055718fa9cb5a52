// The fewest steps that still show a difference.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

namespace tiercache::twin {

// Delta debugging: leaves out ever smaller parts as long as `fails(steps)` holds, for at most so
// long. REQUIRES: fails(steps) as given.
template <class Step, class Fails>
std::vector<Step> shrink(std::vector<Step> steps, Fails&& fails, std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  const auto in_time = [&] {
    return std::chrono::steady_clock::now() < deadline;
  };
  for (std::size_t part = (steps.size() + 1) / 2; part > 0 && in_time();) {
    bool smaller = false;
    for (std::size_t begin = 0; begin < steps.size() && in_time();) {
      const std::size_t end = std::min(begin + part, steps.size());
      std::vector<Step> rest(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(begin));
      rest.insert(rest.end(), steps.begin() + static_cast<std::ptrdiff_t>(end), steps.end());
      if (fails(std::as_const(rest))) {
        steps = std::move(rest);
        smaller = true;
      } else {
        begin = end;
      }
    }
    if (part == 1 && !smaller) {
      break;
    }
    part = smaller && part == 1 ? 1 : part / 2;
  }
  return steps;
}

}  // namespace tiercache::twin
