// When the requests of an open loop are due. They are due at fixed times whatever the server does,
// and their latency counts from then: a server that stalls is charged for all that would have been
// asked meanwhile (no coordinated omission). Pure; one per thread.
#pragma once

#include "keys.hpp"

#include <chrono>
#include <cstdint>

namespace tiercache::load {

using Time = std::chrono::nanoseconds;  // since the start of the run

class Pace {
 public:
  // REQUIRES: batches_per_second > 0, of all threads together, which take turns.
  Pace(double batches_per_second, Part part) noexcept
      : interval_ns_(1e9 / batches_per_second), part_(part) {
  }
  // When this thread's next batch is due. Computed from the start each time: no error adds up.
  Time due() const noexcept {
    const auto number = static_cast<double>(taken_ * part_.count + part_.index);
    return Time(static_cast<std::int64_t>(number * interval_ns_));
  }
  void take() noexcept {
    ++taken_;
  }

 private:
  double interval_ns_;
  Part part_;
  std::uint64_t taken_ = 0;
};

}  // namespace tiercache::load
