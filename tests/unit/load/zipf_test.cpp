#include "load/zipf.hpp"

#include <cmath>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::load {
namespace {

constexpr int kDraws = 400'000;

std::vector<int> frequencies(double theta, std::uint64_t ranks) {
  const Zipf zipf(theta, ranks);
  Random random(7);
  std::vector<int> times(ranks);
  for (int i = 0; i < kDraws; ++i) {
    ++times.at(zipf.draw(random));  // at(): a rank out of bounds fails the test
  }
  return times;
}

TEST_CASE("the frequency of each rank is what the law says") {
  constexpr std::uint64_t kRanks = 50;
  for (const double theta : {0.5, 0.99, 1.0, 1.2, 3.0}) {
    CAPTURE(theta);
    const std::vector<int> times = frequencies(theta, kRanks);
    double sum = 0;
    for (std::uint64_t rank = 1; rank <= kRanks; ++rank) {
      sum += std::pow(static_cast<double>(rank), -theta);
    }
    for (std::uint64_t rank = 1; rank <= kRanks; ++rank) {
      CAPTURE(rank);
      const double expected = kDraws * std::pow(static_cast<double>(rank), -theta) / sum;
      // Five standard deviations of a binomial count; the seed is fixed.
      CHECK(std::abs(times[rank - 1] - expected) < 5 * std::sqrt(expected) + 5);
    }
  }
}

TEST_CASE("one rank is drawn always, and many are all within bounds") {
  CHECK(frequencies(0.99, 1)[0] == kDraws);
  const std::vector<int> times = frequencies(0.7, 1'000'000);
  CHECK(times.front() > times.back());
}

}  // namespace
}  // namespace tiercache::load
