#include "load/pace.hpp"

#include <set>

#include <doctest/doctest.h>

namespace tiercache::load {
namespace {

using std::chrono::microseconds;

TEST_CASE("what is due does not depend on when the last was taken") {
  Pace pace(1000, {});
  for (int i = 0; i < 5; ++i) {
    CHECK(pace.due() == microseconds(1000 * i));
    CHECK(pace.due() == microseconds(1000 * i));
    pace.take();
  }
}

TEST_CASE("threads take turns") {
  std::multiset<Time> due;
  for (unsigned i = 0; i < 2; ++i) {
    Pace pace(1000, {i, 2});
    for (int n = 0; n < 3; ++n) {
      due.insert(pace.due());
      pace.take();
    }
  }
  CHECK(due == std::multiset<Time>{microseconds(0), microseconds(1000), microseconds(2000),
                                   microseconds(3000), microseconds(4000), microseconds(5000)});
}

TEST_CASE("no error adds up over a long run") {
  Pace pace(3, {});
  for (int i = 0; i < 3'000'000; ++i) {
    pace.take();
  }
  CHECK(std::chrono::abs(pace.due() - std::chrono::seconds(1'000'000)) < microseconds(1));
}

}  // namespace
}  // namespace tiercache::load
