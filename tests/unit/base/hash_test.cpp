#include "tiercache/base/hash.hpp"

#include <doctest/doctest.h>

using tiercache::KeyHasher;

TEST_CASE("db, key and seed each change the hash") {
  const KeyHasher hasher(1);
  CHECK(hasher(0, "a") == hasher(0, "a"));
  CHECK(hasher(0, "a") != hasher(1, "a"));
  CHECK(hasher(0, "a") != hasher(0, "b"));
  CHECK(hasher(0, "a") != KeyHasher(2)(0, "a"));
}

TEST_CASE("keys with zero bytes and empty keys hash") {
  const KeyHasher hasher(9);
  CHECK(hasher(0, "") == hasher(0, ""));
  CHECK(hasher(0, std::string_view("a\0b", 3)) != hasher(0, std::string_view("a\0c", 3)));
}
