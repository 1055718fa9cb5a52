#include "tiercache/proxy/freshness.hpp"

#include "tiercache/base/split_mix.hpp"

#include <cmath>
#include <cstdint>

#include <doctest/doctest.h>

namespace tiercache::proxy {
namespace {

using std::chrono::milliseconds;

TEST_CASE("without a TTL it is fresh for ever, without a window until its TTL is over") {
  for (const Freshness& how : {Freshness{}, Freshness{milliseconds(5), milliseconds(9), 100}}) {
    CHECK(aged(how, -1, milliseconds(50), 1).age == Age::fresh);
    CHECK(aged(how, -1, milliseconds(50), 1).pttl_ms == -1);
  }
  for (const std::int64_t pttl : {0, 1, 1000}) {
    CHECK(aged({}, pttl, milliseconds(50), 1).age == Age::fresh);
    CHECK(aged({}, pttl, milliseconds(50), 1).pttl_ms == pttl);
  }
}

TEST_CASE("it is stale first and old then, at each millisecond of each window") {
  for (std::int64_t revalidate = 0; revalidate <= 6; revalidate++) {
    for (std::int64_t error = 0; error <= 6; error++) {
      const Freshness how{milliseconds(revalidate), milliseconds(error), 0};
      const std::int64_t window = std::max(revalidate, error);
      for (std::int64_t pttl = 0; pttl <= 10; pttl++) {
        const Aged result = aged(how, pttl, milliseconds(50), 7);
        CAPTURE(revalidate);
        CAPTURE(error);
        CAPTURE(pttl);
        if (window == 0 || pttl > window) {
          CHECK(result.age == Age::fresh);
          CHECK(result.pttl_ms == pttl - window);
        } else {
          // So long ago it ceased to be fresh.
          const std::int64_t since = window - pttl;
          CHECK(result.age == (since < revalidate ? Age::stale : Age::old));
          CHECK(result.pttl_ms == 0);
        }
      }
    }
  }
}

TEST_CASE("refresh ahead is exponential with beta times the load time as its mean") {
  constexpr std::int64_t kLeft = 1000;
  constexpr int kDraws = 200'000;
  for (const unsigned percent : {50U, 100U, 300U}) {
    const Freshness how{milliseconds(40), milliseconds(0), percent};
    const double mean = 100.0 * percent / 100;
    SplitMix random(percent);
    int early = 0;
    double sum = 0;
    for (int i = 0; i < kDraws; i++) {
      const Aged result = aged(how, kLeft + 40, milliseconds(100), random());
      CHECK((result.age == Age::early || result.age == Age::fresh));
      CHECK(result.pttl_ms >= 0);
      CHECK(result.pttl_ms <= kLeft);
      early += result.age == Age::early ? 1 : 0;
      sum += result.age == Age::early ? static_cast<double>(kLeft)
                                      : static_cast<double>(kLeft - result.pttl_ms);
    }
    // Of an exponential distribution cut at kLeft; five standard errors.
    const double at_end = std::exp(-kLeft / mean);
    CHECK(std::abs(early / double(kDraws) - at_end) <=
          5 * std::sqrt(at_end / kDraws) + 1.0 / kDraws);
    CHECK(std::abs(sum / kDraws - mean * (1 - at_end)) <= 5 * mean / std::sqrt(kDraws) + 1);
  }
}

TEST_CASE("what is loaded in no time is not loaded ahead") {
  SplitMix random(1);
  for (int i = 0; i < 1000; i++) {
    CHECK(aged({{}, {}, 100}, 1, Duration::zero(), random()).age == Age::fresh);
  }
}

}  // namespace
}  // namespace tiercache::proxy
