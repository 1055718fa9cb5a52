#include "tiercache/config/key_pattern.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace tiercache;
using tiercache::config::KeyPattern;

namespace {

// "7 'x'"; "-" if it does not fit.
std::string matched(const char* pattern, std::string_view key) {
  const auto values = KeyPattern::parse(pattern).value().match(key);
  if (!values) {
    return "-";
  }
  std::string text;
  for (const KeyPattern::Value& value : *values) {
    text += text.empty() ? "" : " ";
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      text += std::to_string(*number);
    } else {
      text += "'" + std::get<std::string>(value) + "'";
    }
  }
  return text;
}

std::string error(const char* pattern) {
  const auto parsed = KeyPattern::parse(pattern);
  return parsed ? "" : parsed.error().detail;
}

}  // namespace

TEST_CASE("the parts of a key are told apart by the text between them") {
  CHECK(matched("account:{id:int}", "account:7") == "7");
  CHECK(matched("account:{id:int}", "account:-7") == "-7");
  CHECK(matched("account:{id:int}", "account:9223372036854775807") == "9223372036854775807");
  CHECK(matched("a:{x}:{y:int}", "a:one:2") == "'one' 2");
  CHECK(matched("{x}.json", "a.b.json") == "'a.b'");
  CHECK(matched("{x}.json", "a.json.json") == "'a.json'");
  CHECK(matched("{x}:{y}", "a:b:c") == "'a' 'b:c'");
  CHECK(matched("{x:text}", std::string_view("a\0b", 3)) == "'" + std::string("a\0b", 3) + "'");
}

TEST_CASE("what does not fit does not") {
  for (const char* key :
       {"account:", "account:x", "account:07", "account:+7", "account: 7", "account:7 ",
        "account:9223372036854775808", "acc:7", "account:7:8", ""}) {
    CAPTURE(key);
    CHECK(matched("account:{id:int}", key) == "-");
  }
  CHECK(matched("{x}:{y}", "ab") == "-");
  CHECK(matched("{x}:{y}", ":b") == "-");
  CHECK(matched("{x}:{y}", "a:") == "-");
  CHECK(matched("{x}.json", ".json") == "-");
  CHECK(matched("{x}.json", "json") == "-");
}

TEST_CASE("keys are found by a part") {
  const auto pattern = KeyPattern::parse("a*:{id:int}:{name}").value();
  CHECK(pattern.has("a*:7:x:y", "id", "7"));
  CHECK(pattern.has("a*:7:x:y", "name", "x:y"));
  CHECK_FALSE(pattern.has("a*:7:x", "id", "07"));
  CHECK_FALSE(pattern.has("a*:7:x", "id", "x"));
  CHECK_FALSE(pattern.has("a*:7:x", "name", "7"));
  CHECK_FALSE(pattern.has("a*:7:x", "other", "7"));
  CHECK_FALSE(pattern.has("ab:7:x", "id", "7"));
  CHECK(pattern.glob("id", "7") == "a\\*:7:*");
  CHECK(pattern.glob("name", "[x]") == "a\\*:*:\\[x\\]");
}

TEST_CASE("mistakes in a pattern are named") {
  CHECK(error("account:*").find("no part") != std::string::npos);
  CHECK(error("a:{id").find("without '}'") != std::string::npos);
  CHECK(error("a:id}").find("without '{'") != std::string::npos);
  CHECK(error("{a}{b}").find("nothing stands between") != std::string::npos);
  CHECK(error("{a}:{a}").find("two parts of one name") != std::string::npos);
  CHECK(error("{a:float}").find("{name:int}") != std::string::npos);
  CHECK(error("{}").find("name") != std::string::npos);
  CHECK(error("{1a}").find("name") != std::string::npos);
  CHECK(error("{a;b}").find("name") != std::string::npos);
}
