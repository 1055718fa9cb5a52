#include "tiercache/proxy/copy_ttl.hpp"

#include <algorithm>
#include <set>
#include <string>

#include <doctest/doctest.h>

using namespace tiercache;
using proxy::CopyTtl;
using std::chrono::milliseconds;

TEST_CASE("without jitter a copy lives for exactly its TTL and the time it may be stale") {
  for (int i = 0; i < 100; i++) {
    const std::string key = "k" + std::to_string(i);
    CHECK(CopyTtl{milliseconds(300), {}, 0}.of(key, milliseconds(i)) == milliseconds(300));
    CHECK(CopyTtl{milliseconds(300), milliseconds(50), 0}.of(key, milliseconds(i)) ==
          milliseconds(350));
    CHECK(CopyTtl{{}, milliseconds(50), 0}.of(key, milliseconds(i)) == milliseconds(0));
    CHECK(CopyTtl{{}, milliseconds(50), 90}.of(key, milliseconds(i)) == milliseconds(0));
  }
}

TEST_CASE("jitter takes up to its share of the TTL and nothing of the time it may be stale") {
  constexpr milliseconds kFresh{100'000};
  constexpr milliseconds kWindow{7'000};
  for (const unsigned percent : {1U, 20U, 90U}) {
    const CopyTtl ttl{kFresh, kWindow, percent};
    const milliseconds least = kFresh - kFresh * percent / 100 + kWindow;
    milliseconds shortest = milliseconds::max();
    milliseconds longest{0};
    for (int i = 0; i < 2000; i++) {
      const milliseconds one = ttl.of("k" + std::to_string(i), milliseconds(1));
      CHECK(one >= least);
      CHECK(one <= kFresh + kWindow);
      shortest = std::min(shortest, one);
      longest = std::max(longest, one);
    }
    const milliseconds taken = kFresh * percent / 100;
    CHECK(shortest < least + taken / 20);
    CHECK(longest > kFresh + kWindow - taken / 20);
  }
}

TEST_CASE("the same key at the same moment has the same end, at others another") {
  const CopyTtl ttl{milliseconds(1'000'000), {}, 50};
  std::set<milliseconds> ends;
  for (int i = 0; i < 1000; i++) {
    const milliseconds moment(1'700'000'000'000 + i);
    CHECK(ttl.of("key", moment) == ttl.of("key", moment));
    ends.insert(ttl.of("key", moment));
  }
  CHECK(ends.size() > 900);
}

TEST_CASE("the shortest end is not none") {
  for (int i = 0; i < 100; i++) {
    CHECK(CopyTtl{milliseconds(1), {}, 90}.of(std::to_string(i), {}) == milliseconds(1));
  }
}
