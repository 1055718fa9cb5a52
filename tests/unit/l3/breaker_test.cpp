#include "breaker.hpp"

#include <doctest/doctest.h>

using namespace tiercache;
using std::chrono::milliseconds;
using std::chrono::seconds;
using tiercache::l3::Breaker;

namespace {

void fail(Breaker& breaker, unsigned times, Time now) {
  for (unsigned i = 0; i < times; i++) {
    CHECK(breaker.admit(now));
    breaker.on_failed(now);
  }
}

}  // namespace

TEST_CASE("so many failures in a row, and it is left alone for a while") {
  const Time begin(seconds(100));
  Breaker breaker;
  fail(breaker, Breaker::kFailures - 1, begin);
  CHECK_FALSE(breaker.refuses(begin));
  CHECK(breaker.admit(begin));
  breaker.on_answered();
  fail(breaker, Breaker::kFailures, begin);
  CHECK(breaker.refuses(begin));
  CHECK_FALSE(breaker.admit(begin + Breaker::kShortest - milliseconds(1)));
  CHECK(breaker.opened() == 1);
}

TEST_CASE("then one query shows whether it is back") {
  const Time begin(seconds(100));
  Breaker breaker;
  fail(breaker, Breaker::kFailures, begin);
  Time now = begin + Breaker::kShortest;
  CHECK_FALSE(breaker.refuses(now));
  CHECK(breaker.admit(now));
  CHECK(breaker.refuses(now));
  CHECK_FALSE(breaker.admit(now));
  breaker.on_failed(now);
  CHECK(breaker.opened() == 2);
  // Twice as long.
  CHECK(breaker.refuses(now + Breaker::kShortest));
  now += 2 * Breaker::kShortest;
  CHECK(breaker.admit(now));
  breaker.on_answered();
  CHECK(breaker.state() == Breaker::State::closed);
  CHECK(breaker.admit(now));
  // All is forgotten.
  fail(breaker, Breaker::kFailures, now);
  CHECK_FALSE(breaker.refuses(now + Breaker::kShortest));
}

TEST_CASE("no pause is longer than the longest, and what was under way does not matter") {
  const Time begin(seconds(100));
  Breaker breaker;
  fail(breaker, Breaker::kFailures, begin);
  Time now = begin;
  for (int i = 0; i < 20; i++) {
    for (int other = 0; other < 10; other++) {
      breaker.on_failed(now);
    }
    now += Breaker::kLongest;
    CHECK(breaker.admit(now));
    breaker.on_failed(now);
  }
  CHECK(breaker.opened() == 21);
  CHECK(breaker.refuses(now + Breaker::kLongest - milliseconds(1)));
  CHECK_FALSE(breaker.refuses(now + Breaker::kLongest));
}
