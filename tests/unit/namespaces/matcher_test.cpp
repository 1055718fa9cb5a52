#include "tiercache/namespaces/matcher.hpp"

#include "tiercache/base/glob.hpp"

#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using tiercache::namespaces::Matcher;

namespace {

using Patterns = std::vector<std::vector<std::string>>;

// What the matcher must find, by trying all globs in their order.
std::uint16_t by_trying(const Patterns& patterns, std::string_view key) {
  for (std::size_t i = 0; i < patterns.size(); i++) {
    for (const std::string& pattern : patterns[i]) {
      if (glob_match(pattern, key)) {
        return static_cast<std::uint16_t>(i);
      }
    }
  }
  return Matcher::kNone;
}

std::string random_text(std::mt19937& engine, std::string_view alphabet, std::size_t longest) {
  std::string text;
  const std::size_t size = engine() % (longest + 1);
  for (std::size_t i = 0; i < size; i++) {
    text.push_back(alphabet[engine() % alphabet.size()]);
  }
  return text;
}

}  // namespace

TEST_CASE("no namespaces, no match") {
  CHECK(Matcher().find("k") == Matcher::kNone);
  CHECK(Matcher().empty());
  CHECK(Matcher(Patterns{}).find("") == Matcher::kNone);
}

TEST_CASE("the first namespace that fits takes the key, however long its prefix is") {
  const Matcher matcher(
      Patterns{{"user:admin:*"}, {"user:*", "account:*"}, {"user:guest:*"}, {"*"}});
  CHECK(matcher.find("user:admin:1") == 0);
  CHECK(matcher.find("user:1") == 1);
  CHECK(matcher.find("user:guest:1") == 1);
  CHECK(matcher.find("account:") == 1);
  CHECK(matcher.find("accoun") == 3);
  CHECK(matcher.find("") == 3);
}

TEST_CASE("a literal is the whole key, and globs may stand anywhere") {
  const Matcher matcher(Patterns{{"exact"}, {"a?c", "x[0-9]*"}, {"*:end"}, {"back\\*slash"}});
  CHECK(matcher.find("exact") == 0);
  CHECK(matcher.find("exactly") == Matcher::kNone);
  CHECK(matcher.find("abc") == 1);
  CHECK(matcher.find("ac") == Matcher::kNone);
  CHECK(matcher.find("x5yz") == 1);
  CHECK(matcher.find("x:end") == 2);
  CHECK(matcher.find("back*slash") == 3);
  CHECK(matcher.find("back-slash") == Matcher::kNone);
}

TEST_CASE("random patterns and keys: what trying all globs in order finds") {
  std::mt19937 engine(7);
  std::size_t found = 0;
  for (int round = 0; round < 3000; round++) {
    Patterns patterns(engine() % 8);
    for (auto& namespace_patterns : patterns) {
      for (std::size_t i = engine() % 3 + 1; i > 0; i--) {
        namespace_patterns.push_back(random_text(engine, "aab:*?[]^-\\", 7));
      }
    }
    const Matcher matcher(patterns);
    for (int i = 0; i < 20; i++) {
      const std::string key = random_text(engine, "aab:*-\\", 7);
      const std::uint16_t wanted = by_trying(patterns, key);
      found += wanted != Matcher::kNone;
      CAPTURE(key);
      REQUIRE(matcher.find(key) == wanted);
    }
  }
  CHECK(found > 5000);
}
