#include "tiercache/l1/store.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::l1;

namespace {

KeyHash hash_of(const std::string& key) {
  return std::hash<std::string>{}(key)*0x9e3779b97f4a7c15U;
}

void put(Store& store, const std::string& key, std::string_view args = {}) {
  REQUIRE(store.put({hash_of(key), 0, key}, {1, 0, args}, "reply", Meta{}, Time{}, 0) != nullptr);
}

}  // namespace

TEST_CASE("a walk visits what stays exactly once while the store grows, shrinks and resizes") {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    Store store({std::size_t{1} << 30, 0, 64});
    const unsigned begin = 1 + static_cast<unsigned>(random() % 3000);
    std::set<std::string> stays;
    for (unsigned i = 0; i < begin; ++i) {
      const std::string key = "begin:" + std::to_string(i);
      put(store, key);
      if (i % 10 == 0) {
        put(store, key, "a variant");
      }
      stays.insert(key);
    }
    std::map<std::string, unsigned> visited;
    unsigned fresh = 0;
    const bool growing = seed % 2 == 0;
    for (Cursor cursor; !cursor.done();) {
      store.erase_if(cursor, 1 + static_cast<unsigned>(random() % 20), [&](const Entry& entry) {
        ++visited[std::string(entry.key()) + "/" + std::string(entry.args())];
        return false;
      });
      for (unsigned i = 0; i < random() % 40; ++i) {
        if (growing) {
          put(store, "fresh:" + std::to_string(fresh++));
        } else if (stays.size() > 1) {
          store.erase(hash_of(*stays.begin()));
          stays.erase(stays.begin());
        }
      }
    }
    for (const std::string& key : stays) {
      REQUIRE(visited[key + "/"] == 1);
      if (std::stoul(key.substr(6)) % 10 == 0) {
        REQUIRE(visited[key + "/a variant"] == 1);
      }
    }
    for (const auto& [name, times] : visited) {
      REQUIRE(times <= 1);
    }
  }
}

TEST_CASE("a walk frees exactly what the predicate names") {
  Store store({std::size_t{1} << 30, 0, 64});
  for (unsigned i = 0; i < 5000; ++i) {
    put(store, (i % 3 == 0 ? "user:" : "order:") + std::to_string(i));
  }
  std::size_t erased = 0;
  unsigned steps = 0;
  for (Cursor cursor; !cursor.done(); ++steps) {
    erased += store.erase_if(cursor, 16,
                             [](const Entry& entry) { return entry.key().starts_with("user:"); });
  }
  CHECK(erased == 1667);
  CHECK(store.entries() == 5000 - 1667);
  CHECK(steps > 5000 / 40);
  store.for_each_lru([](const Entry& entry) { REQUIRE(entry.key().starts_with("order:")); });
}

TEST_CASE("a walk over an empty store is done after one step") {
  Store store({1000, 0, 64});
  Cursor cursor;
  CHECK(store.erase_if(cursor, 1, [](const Entry&) { return true; }) == 0);
  CHECK(cursor.done());
}

TEST_CASE("random glances find every resident, and only residents") {
  std::mt19937 random(1);
  Store store({std::size_t{1} << 30, 0, 64});
  std::set<std::string> stays;
  for (unsigned i = 0; i < 500; ++i) {
    const std::string key = "key:" + std::to_string(i);
    put(store, key);
    stays.insert(key);
  }
  put(store, "key:0", "a variant");
  std::set<std::string> seen;
  std::size_t most = 0;
  for (unsigned i = 0; i < 5000; ++i) {
    std::size_t found = 0;
    store.glance(static_cast<std::uint32_t>(random()), [&](Entry& entry) {
      seen.insert(std::string(entry.key()));
      ++found;
    });
    most = std::max(most, found);
  }
  CHECK(seen == stays);
  CHECK(most <= 32);
  CHECK(store.entries() == 501);
  store.clear();
  store.glance(7, [](Entry&) { FAIL("nothing is there"); });
}
