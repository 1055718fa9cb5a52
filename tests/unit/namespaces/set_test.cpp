#include "tiercache/namespaces/set.hpp"

#include <set>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::namespaces;

TEST_CASE("keys of no namespace have index 0, the first configured one is 1") {
  CHECK(Set().find("k") == kDefault);
  config::Namespace symbols;
  symbols.name = "symbols";
  symbols.match = {"symbol:*"};
  config::Namespace rest;
  rest.name = "rest";
  rest.match = {"r*"};
  const Set set({symbols, rest});
  CHECK(set.size() == 2);
  CHECK(set.find("symbol:EURUSD") == 1);
  CHECK(set.find("r") == 2);
  CHECK(set.find("x") == kDefault);
  CHECK(set.at(2).name == "rest");
}

TEST_CASE(
    "jitter takes up to its share, differently for different numbers, and nothing of nothing") {
  constexpr Duration kTtl = std::chrono::seconds(10);
  std::set<Duration::rep> seen;
  for (std::uint64_t random = 0; random < 1000; random++) {
    CHECK(jittered(kTtl, 0, random) == kTtl);
    const Duration less = jittered(kTtl, 20, random);
    CHECK(less <= kTtl);
    CHECK(less >= kTtl * 4 / 5);
    seen.insert(less.count());
  }
  CHECK(seen.size() > 900);
  CHECK(*seen.begin() < (kTtl * 81 / 100).count());
  CHECK(*seen.rbegin() > (kTtl * 99 / 100).count());
  CHECK(jittered(Duration::zero(), 50, 1) == Duration::zero());
}
