// The glob beside Redis's own: KEYS says which of some random keys a random pattern matches.
#include "tiercache/base/glob.hpp"

#include "client.hpp"
#include "redis_server.hpp"

#include <algorithm>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::testing;

TEST_CASE("a glob matches what Redis's KEYS matches") {
  RedisServer server;
  Client client(server.port());
  std::mt19937 random(11);
  // No NUL and no byte that ends with the pattern's buffer matters: what Redis reads there is its.
  const std::string bytes = "ab-]^[*?\\\xe9\xff";
  const auto word = [&](std::size_t most) {
    std::string text(1 + random() % most, ' ');
    std::ranges::generate(text, [&] { return bytes[random() % bytes.size()]; });
    return text;
  };
  std::set<std::string> keys;
  while (keys.size() < 150) {
    const std::string key = word(4);
    client.call("SET", key, "v");
    keys.insert(key);
  }
  for (int round = 0; round < 1500; round++) {
    const std::string pattern = word(7);
    CAPTURE(pattern);
    std::set<std::string> expected;
    for (const Value& key : client.call("KEYS", pattern).items) {
      expected.insert(key.text);
    }
    std::set<std::string> actual;
    std::ranges::copy_if(keys, std::inserter(actual, actual.end()),
                         [&](const std::string& key) { return glob_match(pattern, key); });
    REQUIRE(actual == expected);
  }
}
