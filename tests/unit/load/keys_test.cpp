#include "load/keys.hpp"

#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::load {
namespace {

TEST_CASE("the four shapes of keys are understood") {
  CHECK(parse_keys("one").value() == KeySpec{});
  CHECK(parse_keys("uniform:1000").value() == KeySpec{KeyShape::uniform, 1000, 0});
  CHECK(parse_keys("sequence:7").value() == KeySpec{KeyShape::sequence, 7, 0});
  CHECK(parse_keys("zipf:0.99:500").value() == KeySpec{KeyShape::zipf, 500, 0.99});
}

TEST_CASE("keys that make no sense are refused") {
  for (const char* text : {"", "two", "one:1", "uniform", "uniform:", "uniform:0", "uniform:-1",
                           "uniform:5x", "uniform:99999999999", "zipf:500", "zipf:0:500",
                           "zipf:-1:500", "zipf:nan:500", "zipf:11:500", "sequence:"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_keys(text));
  }
}

TEST_CASE("a sequence asks each key once a round, the parts of it together") {
  for (const unsigned parts : {1U, 2U, 3U}) {
    for (const std::uint64_t keys : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{7}}) {
      CAPTURE(parts);
      CAPTURE(keys);
      std::multiset<std::uint64_t> asked;
      for (unsigned i = 0; i < parts; ++i) {
        const Part part{i, parts};
        KeyPicker picker({KeyShape::sequence, keys, 0}, part, 1);
        for (std::uint64_t n = part.share(keys); n > 0; --n) {
          asked.insert(picker.next());
        }
      }
      std::multiset<std::uint64_t> all;
      for (std::uint64_t key = 0; key < keys; ++key) {
        all.insert(key);
      }
      CHECK(asked == all);
    }
  }
}

TEST_CASE("a sequence begins anew when it has ended") {
  KeyPicker picker({KeyShape::sequence, 3, 0}, {}, 1);
  std::string asked;
  for (int i = 0; i < 7; ++i) {
    asked += std::to_string(picker.next());
  }
  CHECK(asked == "0120120");
}

TEST_CASE("uniform keys are within bounds and about equally frequent") {
  constexpr std::uint64_t kKeys = 10;
  constexpr int kDraws = 100'000;
  KeyPicker picker({KeyShape::uniform, kKeys, 0}, {}, 1);
  std::vector<int> times(kKeys);
  for (int i = 0; i < kDraws; ++i) {
    ++times.at(picker.next());
  }
  for (const int n : times) {
    CHECK(n > kDraws / 10 * 95 / 100);
    CHECK(n < kDraws / 10 * 105 / 100);
  }
}

TEST_CASE("a seed gives the same keys again, another part other ones") {
  const KeySpec spec{KeyShape::uniform, 1'000'000, 0};
  const auto draw = [&](Part part, std::uint64_t seed) {
    KeyPicker picker(spec, part, seed);
    std::vector<std::uint64_t> keys;
    for (int i = 0; i < 10; ++i) {
      keys.push_back(picker.next());
    }
    return keys;
  };
  CHECK(draw({0, 2}, 1) == draw({0, 2}, 1));
  CHECK(draw({0, 2}, 1) != draw({1, 2}, 1));
  CHECK(draw({0, 2}, 1) != draw({0, 2}, 2));
}

TEST_CASE("the parts of a number sum up to it") {
  for (const std::uint64_t total : {0U, 1U, 5U, 6U, 1'000'001U}) {
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < 4; ++i) {
      sum += Part{i, 4}.share(total);
    }
    CHECK(sum == total);
  }
}

}  // namespace
}  // namespace tiercache::load
