// Draws ranks 0 … n-1 with probability proportional to 1 / (rank + 1)^theta, exactly, without a
// table: by rejection-inversion (Hörmann and Derflinger, 1996). A draw costs one or two logarithms
// and exponentials, whatever n and theta. Constant after construction; pure.
#pragma once

#include "random.hpp"

#include <cstdint>

namespace tiercache::load {

class Zipf {
 public:
  // REQUIRES: theta > 0, n > 0.
  Zipf(double theta, std::uint64_t n) noexcept;

  std::uint64_t draw(Random& random) const noexcept;

 private:
  double density(double x) const noexcept;
  // The integral of the density, zero at 1, and its inverse.
  double area(double x) const noexcept;
  double area_inverse(double y) const noexcept;

  double theta_;
  double last_;      // the highest rank, counted from 1
  double area_low_;  // so chosen that rank 1 is accepted always
  double area_high_;
  double always_;  // a rank at most so far above the point drawn is accepted without a look
};

}  // namespace tiercache::load
