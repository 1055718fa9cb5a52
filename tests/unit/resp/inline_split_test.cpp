#include "tiercache/resp/request_parser.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace std::string_literals;
using tiercache::resp::ParseStatus;
using tiercache::resp::RequestForm;
using tiercache::resp::RequestParser;

namespace {

using Words = std::vector<std::string>;

Words words_of(const std::string& line) {
  RequestParser parser;
  const std::string input = line + "\r\n";
  REQUIRE(parser.parse(input) == ParseStatus::complete);
  CHECK(parser.consumed() == input.size());
  CHECK(parser.request().form == RequestForm::inline_line);
  return Words(parser.request().args.begin(), parser.request().args.end());
}

}  // namespace

// The expectations were taken from what redis-server 7.0.15 answers to ECHO in these lines.
TEST_CASE("words and quotes are read as the server reads them") {
  struct Case {
    std::string line;
    std::string echoed;
  };
  const Case cases[] = {
      {"ECHO a", "a"},
      {"\t ECHO\ta\t", "a"},
      {"ECHO a\r", "a"},
      {"ECHO \"a b\"", "a b"},
      {"ECHO 'a b'", "a b"},
      {"ECHO \"\"", ""},
      {"ECHO ''", ""},
      {R"(ECHO "\x41\x4g")", "Ax4g"},
      {R"(ECHO "\xAb\xcD")", "\xab\xcd"},
      {R"(ECHO "\x4")", "x4"},
      {R"(ECHO "\X41")", "X41"},
      {R"(ECHO "\n\r\t\b\a\q\\\"")", "\n\r\t\b\aq\\\""},
      {R"(ECHO a\nb)", "a\\nb"},
      {R"(ECHO "a\"b")", "a\"b"},
      {R"(ECHO 'a\'b\n')", "a'b\\n"},
      {R"(ECHO "a'b")", "a'b"},
      {R"(ECHO 'a"b')", "a\"b"},
      {"ECHO a\"b c\"", "ab c"},
      {"ECHO a'b'", "ab"},
      {"\"ECHO\" a", "a"},
      {"EC\"HO\" a", "a"},
      {"ECHO \"a\rb\"", "a\rb"},
      {"ECHO \"a\"\r", "a"},
      {"ECHO \"a\"\v", "a"},
      {"ECHO \va", "a"},
      {"ECHO a\vb", "a\vb"},
      {"ECHO a\f", "a\f"},
      {"ECHO \f\"a\"", "a"},
      {"ECHO \xff\x80", "\xff\x80"},
      {"ECHO \"\\x00\"", "\0"s},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    CHECK(words_of(c.line) == Words{"ECHO", c.echoed});
  }
}

TEST_CASE("a carriage return separates words") {
  CHECK(words_of("ECHO a\rb") == Words{"ECHO", "a", "b"});
}

TEST_CASE("quotes that do not balance are an error") {
  const std::string lines[] = {
      "ECHO \"a",     "ECHO 'a",         "ECHO \"",          "ECHO \"a\"b",
      "ECHO 'a'b",    R"(ECHO "a\)",     R"(ECHO "a\")",     R"(ECHO 'a\')",
      "ECHO a\"b\"c", "ECHO \"a\"\"b\"", R"(ECHO '\'\n\\')", "ECHO \"\xff\"\xa0",
  };
  for (const std::string& line : lines) {
    CAPTURE(line);
    RequestParser parser;
    CHECK(parser.parse(line + "\r\n") == ParseStatus::error);
    CHECK(parser.error() == "Protocol error: unbalanced quotes in request");
  }
}

TEST_CASE("many quoted words keep their own bytes") {
  std::string line = "MSET";
  Words expected{"MSET"};
  for (int i = 0; i < 500; ++i) {
    const std::string word = std::to_string(i);
    line += i % 2 == 0 ? " \"" + word + "\\x21\"" : " " + word;
    expected.push_back(i % 2 == 0 ? word + "!" : word);
  }
  CHECK(words_of(line) == expected);
}
