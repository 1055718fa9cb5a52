#include "load/value_sizes.hpp"

#include <vector>

#include <doctest/doctest.h>

namespace tiercache::load {
namespace {

TEST_CASE("one size is that of every value") {
  const ValueSizes sizes = ValueSizes::parse("512").value();
  Random random(1);
  CHECK(sizes.choices()[sizes.pick(random)].size == 512);
  CHECK(sizes.largest() == 512);
  CHECK(ValueSizes().largest() == 64);
}

TEST_CASE("several sizes come in the shares of their weights") {
  const ValueSizes sizes = ValueSizes::parse("64*6,100000,0*3").value();
  Random random(1);
  std::vector<int> times(3);
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {
    ++times.at(sizes.pick(random));
  }
  CHECK(times[0] == doctest::Approx(kDraws * 0.6).epsilon(0.02));
  CHECK(times[1] == doctest::Approx(kDraws * 0.1).epsilon(0.05));
  CHECK(times[2] == doctest::Approx(kDraws * 0.3).epsilon(0.02));
  CHECK(sizes.largest() == 100'000);
  CHECK(sizes.choices()[2].size == 0);
}

TEST_CASE("sizes that make no sense are refused") {
  for (const char* text : {"", "x", "64*", "64*0", "64*x", "-1", "64,,64", "536870913"}) {
    CAPTURE(text);
    CHECK_FALSE(ValueSizes::parse(text));
  }
}

}  // namespace
}  // namespace tiercache::load
