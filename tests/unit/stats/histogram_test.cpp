#include "tiercache/stats/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache::stats;

namespace {

constexpr std::uint64_t kLargest = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_CASE("buckets follow each other without gap or overlap") {
  for (std::size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
    const std::uint64_t highest = Histogram::highest_of(bucket);
    REQUIRE(Histogram::bucket_of(highest) == bucket);
    if (bucket + 1 < Histogram::kBuckets) {
      REQUIRE(Histogram::bucket_of(highest + 1) == bucket + 1);
    } else {
      REQUIRE(highest == kLargest);
    }
  }
}

TEST_CASE("a value many times is as good as many times the value; reset forgets all") {
  Histogram one;
  Histogram many;
  for (int i = 0; i < 1000; i++) {
    one.record(std::uint64_t{77});
  }
  one.record(std::uint64_t{5});
  many.record(77, 1000);
  many.record(5, 1);
  CHECK(many.count() == one.count());
  CHECK(many.sum() == one.sum());
  CHECK(many.quantile(0.5) == one.quantile(0.5));
  CHECK(many.max() == 77);
  many.reset();
  CHECK(many.count() == 0);
  CHECK(many.sum() == 0);
  CHECK(many.max() == 0);
}

TEST_CASE("a quantile is never below the true value and at most a sixteenth above") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20; ++round) {
    Histogram histogram;
    std::vector<std::uint64_t> values(1 + random() % 3000);
    std::uint64_t sum = 0;
    for (std::uint64_t& value : values) {
      value = random() >> (10 + random() % 54);
      histogram.record(value);
      sum += value;
    }
    std::sort(values.begin(), values.end());
    CHECK(histogram.count() == values.size());
    CHECK(histogram.sum() == sum);
    CHECK(histogram.max() == values.back());
    for (const double q : {0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const double rank = std::ceil(q * static_cast<double>(values.size()));
      const std::uint64_t exact = values[rank < 1 ? 0 : static_cast<std::size_t>(rank) - 1];
      const std::uint64_t told = histogram.quantile(q);
      REQUIRE(told >= exact);
      REQUIRE(told - exact <= exact / 16);
    }
    CHECK(histogram.quantile(1.0) == values.back());
  }
}

TEST_CASE("merging equals recording into one") {
  std::mt19937_64 random(8);
  const auto one = std::make_unique<Histogram>();
  const auto two = std::make_unique<Histogram>();
  const auto all = std::make_unique<Histogram>();
  for (int i = 0; i < 5000; ++i) {
    const std::uint64_t value = random() >> (random() % 64);
    (i % 3 == 0 ? *one : *two).record(value);
    all->record(value);
  }
  one->merge(*two);
  for (std::size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
    REQUIRE(one->in_bucket(bucket) == all->in_bucket(bucket));
  }
  CHECK(one->sum() == all->sum());
  CHECK(one->max() == all->max());
}

TEST_CASE("the ends of the range are recorded") {
  Histogram histogram;
  CHECK(histogram.quantile(0.5) == 0);
  CHECK(histogram.count() == 0);
  histogram.record(std::chrono::nanoseconds(-5));
  CHECK(histogram.in_bucket(0) == 1);
  histogram.record(kLargest);
  CHECK(histogram.quantile(0.5) == 0);
  CHECK(histogram.quantile(1) == kLargest);
}
