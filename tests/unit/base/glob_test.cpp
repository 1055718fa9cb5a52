#include "tiercache/base/glob.hpp"

#include <string>

#include <doctest/doctest.h>

namespace tiercache {

TEST_CASE("a glob matches as Redis's KEYS does") {
  struct Row {
    const char* pattern;
    const char* text;
    bool matches;
  };
  constexpr Row kRows[] = {
      {"", "", true},
      {"", "a", false},
      {"*", "", true},
      {"***", "abc", true},
      {"a*c", "abbbc", true},
      {"a*c", "abbbd", false},
      {"*b*c", "abbcbc", true},
      {"h?llo", "hello", true},
      {"h?llo", "hllo", false},
      {"h[ae]llo", "hallo", true},
      {"h[^e]llo", "hello", false},
      {"h[^e]llo", "hbllo", true},
      {"h[a-c]llo", "hbllo", true},
      {"h[c-a]llo", "hbllo", true},
      {"h[a-c]llo", "hdllo", false},
      {"[a\\]b]", "]", true},
      {"[a-]", "b", false},  // a range up to ]
      {"h[abc]llo", "hallo", true},
      {"[abc", "c", true},
      {"a\\*", "a*", true},
      {"a\\*", "ab", false},
      {"a\\", "a\\", true},
      {"user:*:name", "user:1:name", true},
      {"USER", "user", false},
      {"[^]", "a", true},
      {"*.max_*", "l1.max_ttl_ms", true},
      {"*_ms", "log.level", false},
      {"\\*", "x", false},
      {"[\\]]", "]", true},
      {"[a", "a", true},
      {"[", "a", false},
      {"[^", "ab", false},
      {"[\\a-c]", "b", false},  // an escaped byte begins no range
      {"[\\a-c]", "-", true},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.pattern);
    CAPTURE(row.text);
    CHECK(glob_match(row.pattern, row.text) == row.matches);
  }
  CHECK(glob_match("US[E-F]R", "user", LetterCase::ignored));
  CHECK(glob_match("L[0-9].SHARDS", "l1.shards", LetterCase::ignored));
}

TEST_CASE("a glob matches any bytes") {
  const std::string text("a\0\xff\xfe", 4);
  CHECK(glob_match(std::string("a\0*", 3), text));
  CHECK(glob_match("a?[\x80-\xff]\xfe", text));
}

TEST_CASE("many stars cost no more than a walk for each") {
  std::string pattern;
  for (int i = 0; i < 50; i++) {
    pattern += "a*";
  }
  CHECK_FALSE(glob_match(pattern + "b", std::string(2000, 'a')));
}

TEST_CASE("an escaped text is a glob of itself alone") {
  for (const std::string text : {"", "a", "*", "?", "[a]", "\\", "a\\*b", "[^a-z]?"}) {
    CHECK(glob_match(glob_escaped(text), text));
    CHECK_FALSE(glob_match(glob_escaped(text), text + "x"));
  }
  CHECK_FALSE(glob_match(glob_escaped("*"), "a"));
  CHECK_FALSE(glob_match(glob_escaped("[a]"), "a"));
}

TEST_CASE("what a pattern may begin with") {
  for (const char* pattern : {"*", "a*", "ab*", "abc", "abcd", "?bc", "a[b-d]c*", "\\abc[x"}) {
    CAPTURE(pattern);
    CHECK(glob_may_begin(pattern, "abc"));
  }
  for (const char* pattern : {"", "a", "ab", "b*", "a[^b]c", "abd*", "\\*", "??"}) {
    CAPTURE(pattern);
    CHECK_FALSE(glob_may_begin(pattern, "abc"));
  }
}

}  // namespace tiercache
