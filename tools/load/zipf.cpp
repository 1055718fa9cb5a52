#include "zipf.hpp"

#include <algorithm>
#include <cmath>

namespace tiercache::load {
namespace {

// Below, (x^(1-theta) - 1) / (1-theta) would lose its digits; its limit is the logarithm.
constexpr double kNearlyOne = 1e-9;

}  // namespace

Zipf::Zipf(double theta, std::uint64_t n) noexcept : theta_(theta), last_(static_cast<double>(n)) {
  area_low_ = area(1.5) - 1;
  area_high_ = area(last_ + 0.5);
  always_ = 2 - area_inverse(area(2.5) - density(2));
}

double Zipf::density(double x) const noexcept {
  return std::pow(x, -theta_);
}

double Zipf::area(double x) const noexcept {
  const double power = 1 - theta_;
  const double log = std::log(x);
  return std::abs(power) < kNearlyOne ? log : std::expm1(power * log) / power;
}

double Zipf::area_inverse(double y) const noexcept {
  const double power = 1 - theta_;
  return std::abs(power) < kNearlyOne ? std::exp(y) : std::exp(std::log1p(power * y) / power);
}

std::uint64_t Zipf::draw(Random& random) const noexcept {
  for (;;) {
    const double y = area_high_ + random.fraction() * (area_low_ - area_high_);
    const double x = area_inverse(y);
    const double rank = std::clamp(std::round(x), 1.0, last_);
    if (rank - x <= always_ || y >= area(rank + 0.5) - density(rank)) {
      return static_cast<std::uint64_t>(rank) - 1;
    }
  }
}

}  // namespace tiercache::load
