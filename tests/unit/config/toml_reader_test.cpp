#include "toml_reader.hpp"

#include "text.hpp"
#include "text_guard.hpp"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

using namespace tiercache::config;

namespace {

// The line of the first hazard; 0 = none.
std::uint32_t hazard_line(std::string_view text) {
  const auto hazard = find_hazard(text);
  return hazard ? hazard->at.line : 0;
}

std::string repeated(std::string_view piece, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) {
    text += piece;
  }
  return text;
}

}  // namespace

TEST_CASE("the dots of a key are counted line by line") {
  const std::string allowed = repeated("a.", kMaxDots) + "a = 1\n";
  CHECK(hazard_line(allowed) == 0);
  CHECK(hazard_line(allowed + allowed) == 0);
  CHECK(hazard_line(allowed + repeated("a.", kMaxDots + 1)) == 2);
  CHECK(hazard_line(repeated("\"a\" . ", kMaxDots + 1)) == 1);
}

TEST_CASE("dots in strings and comments do not count") {
  const std::string dots(100, '.');
  const std::string texts[] = {
      "# " + dots + "\n",
      "a = \"" + dots + "\"\n",
      "a = '" + dots + "'\n",
      "a = \"\\\"" + dots + "\"\n",
      "a = '\\'\nb = '" + dots + "'\n",
      "a = \"\"\nb = '" + dots + "'\n",
      "a = \"\"\"\n" + dots + "\"" + dots + "\"\"\"\"\"\nb = '" + dots + "'\n",
      "a = '''\n" + dots + "\n'''\n",
  };
  for (const std::string& text : texts) {
    CAPTURE(text);
    CHECK(hazard_line(text) == 0);
    CHECK(std::holds_alternative<std::vector<Node>>(read_toml(text)));
    // What follows is still seen, at its line.
    const auto lines = static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n'));
    CHECK(hazard_line(text + dots) == lines + 1);
  }
}

TEST_CASE("a character beyond ASCII is text in quotes and an error elsewhere") {
  for (const char* letter : {"\xc2\xa1", "\xc3\xa4", "\xcc\x8c", "\xe2\x82\xac", "\xe3\x80\x81",
                             "\xef\xbb\xbd", "\xef\xbd\xbd", "\xf0\x9f\x98\x80"}) {
    CAPTURE(letter);
    const std::string fine[] = {concat({"a = '", letter, "' # ", letter}),
                                concat({"\"", letter, "\" = 1"}),
                                concat({"a = \"\"\"\\\n ", letter, "\"\"\""})};
    for (const std::string& text : fine) {
      CAPTURE(text);
      CHECK(std::holds_alternative<std::vector<Node>>(read_toml(text)));
    }
    const std::string wrong[] = {concat({"a", letter, " = 1"}),  concat({"a = 1 ", letter, "b"}),
                                 concat({letter, "[a]"}),        concat({"[a]", letter, "x"}),
                                 concat({"a = [", letter, "]"}), concat({"a = ", letter, "1\""}),
                                 concat({"a = 1", letter})};
    for (const std::string& text : wrong) {
      CAPTURE(text);
      CHECK(std::holds_alternative<SyntaxError>(read_toml(text)));
    }
  }
}

TEST_CASE("hostile depth is an error, not a crash") {
  const std::string texts[] = {
      concat({"[a", repeated(".a", 500'000), "]"}),
      concat({repeated("a.", 500'000), "a = 1"}),
      concat({"a = ", repeated("[", 500'000)}),
      concat({"a = ", repeated("{a=", 300'000)}),
      concat({"a = ", repeated("[{a.a=", 100'000)}),
      concat({"a = ", repeated("[", 9), repeated("]", 9)}),
  };
  for (const std::string& text : texts) {
    const auto document = read_toml(text);
    REQUIRE(std::holds_alternative<SyntaxError>(document));
    CHECK_FALSE(std::get<SyntaxError>(document).what.empty());
  }
}

TEST_CASE("a text that is too long is not even looked at") {
  const auto document = read_toml(std::string(1024 * 1024 + 1, '\n'));
  REQUIRE(std::holds_alternative<SyntaxError>(document));
  CHECK(std::get<SyntaxError>(document).what == "the text has more than 1048576 bytes");
}
