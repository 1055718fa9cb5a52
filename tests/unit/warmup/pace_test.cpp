#include "pace.hpp"

#include <limits>

#include <doctest/doctest.h>

namespace tiercache::warmup {

using std::chrono::milliseconds;

TEST_CASE("what is taken is paid for afterwards, so that the rate is kept") {
  Time now{std::chrono::hours(1)};
  Pace pace(1000);
  CHECK(pace.next() <= now);
  for (int i = 0; i < 100; i++) {
    pace.take(50, now);
    CHECK(pace.next() == now + milliseconds(50));
    now = pace.next();
  }
}

TEST_CASE("time that passed unused is not saved up") {
  Time now{std::chrono::hours(1)};
  Pace pace(10);
  pace.take(1, now);
  now += std::chrono::hours(1);
  pace.take(1, now);
  CHECK(pace.next() == now + milliseconds(100));
}

TEST_CASE("no number of keys overflows") {
  const Time now{std::chrono::hours(1)};
  Pace pace(1);
  pace.take(std::numeric_limits<std::uint64_t>::max(), now);
  CHECK(pace.next() > now);
  Pace fast(std::numeric_limits<std::uint32_t>::max());
  fast.take(std::numeric_limits<std::uint32_t>::max() - 1ULL, now);
  CHECK(fast.next() > now);
  CHECK(fast.next() <= now + std::chrono::seconds(1));
}

}  // namespace tiercache::warmup
