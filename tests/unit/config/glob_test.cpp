#include "glob.hpp"

#include <string>

#include <doctest/doctest.h>

using tiercache::config::glob_match;

TEST_CASE("a glob matches as Redis's does") {
  CHECK(glob_match("*", ""));
  CHECK(glob_match("l1.*", "l1.max_memory"));
  CHECK(glob_match("*_ms", "l1.max_ttl_ms"));
  CHECK(glob_match("*.max_*", "l1.max_ttl_ms"));
  CHECK(glob_match("l?.shards", "l1.shards"));
  CHECK(glob_match("L1.SHARDS", "l1.shards"));
  CHECK(glob_match("l[0-9].shards", "l1.shards"));
  CHECK(glob_match("l[9-0].shards", "l1.shards"));
  CHECK(glob_match("[^a].x", "b.x"));
  CHECK(glob_match("\\*", "*"));
  CHECK(glob_match("[\\]]", "]"));

  CHECK_FALSE(glob_match("", "l1"));
  CHECK_FALSE(glob_match("l1", "l1.shards"));
  CHECK_FALSE(glob_match("l?", "l"));
  CHECK_FALSE(glob_match("l[0-9]", "lx"));
  CHECK_FALSE(glob_match("[^b].x", "b.x"));
  CHECK_FALSE(glob_match("\\*", "x"));
  CHECK_FALSE(glob_match("*_ms", "log.level"));
}

TEST_CASE("an unfinished glob element ends with the pattern") {
  CHECK(glob_match("[a", "a"));
  CHECK_FALSE(glob_match("[", "a"));
  CHECK_FALSE(glob_match("[^", "ab"));
  CHECK(glob_match("a\\", "a\\"));
}

TEST_CASE("a glob of many stars does not blow up") {
  std::string pattern;
  for (int i = 0; i < 200; ++i) {
    pattern += "*a";
  }
  CHECK_FALSE(glob_match(pattern + "b", std::string(2000, 'a')));
}
