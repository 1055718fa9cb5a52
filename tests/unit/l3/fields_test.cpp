#include "fields.hpp"

#include <doctest/doctest.h>

using namespace tiercache::l3;
using Kind = Loaded::Kind;
using Strings = std::vector<std::string>;

TEST_CASE("the members of an object are the fields of a hash") {
  const Loaded loaded = fields_of_json(
      R"( {"name": "Ann \u00e9\n\"", "n": 1.10, "big": 12345678901234567890123, "e": -1E+2,
           "yes": true, "no": false, "none": null, "": "",
           "list": [1, "a,", [], {}, null, [2.50]], "deep": {"a b": {"c\"": "\u0001"}, "d": 0}} )");
  REQUIRE(loaded.kind == Kind::value);
  CHECK(loaded.bytes.empty());
  CHECK(loaded.fields == Strings{"name", "Ann \xc3\xa9\n\"", "n", "1.10", "big",
                                 "12345678901234567890123", "e", "-1E+2", "yes", "true", "no",
                                 "false", "", "", "list", R"([1,"a,",[],{},null,[2.50]])", "deep",
                                 R"({"a b":{"c\"":"\u0001"},"d":0})"});
}

TEST_CASE("an object without fields is absence") {
  CHECK(fields_of_json("{}").kind == Kind::absent);
  CHECK(fields_of_json(R"({"a": null})").kind == Kind::absent);
}

TEST_CASE("what is no object, and what is no hash, is said") {
  const auto why = [](std::string_view text) {
    const Loaded loaded = fields_of_json(text);
    CHECK(loaded.kind == Kind::failed);
    CHECK_FALSE(loaded.away);
    return loaded.bytes;
  };
  for (const char* text :
       {"[]", "[{}]", "1", "\"a\"", "null", "true", "1.5", "18446744073709551615"}) {
    CAPTURE(text);
    CHECK(why(text) == "the answer is JSON, but no object");
  }
  for (const char* text : {"", "{", "{\"a\":1}}", "{\"a\" 1}", "<html>", "{\"a\":\"\xff\"}"}) {
    CAPTURE(text);
    CHECK(why(text).starts_with("the answer is no JSON: "));
  }
  CHECK(why(R"({"a": 1, "b": 2, "a": null})") == "two of the fields are called 'a'");
  CHECK(why("{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}")
            .starts_with("the answer is no JSON: "));
  std::string many = "{";
  for (std::size_t i = 0; i <= kMaxFields; i++) {
    many += "\"f" + std::to_string(i) + "\":1,";
  }
  many.back() = '}';
  CHECK(why(many) == "the value has more than 10000 fields");
  many.erase(1, many.find(','));
  CHECK(fields_of_json(many).fields.size() == 2 * kMaxFields);
}

TEST_CASE("columns whose names are no fields are said") {
  CHECK(wrong_names({}) == "the query yields no column that could be a field");
  const std::string_view good[] = {"b", "a", "A", ""};
  CHECK(wrong_names(good).empty());
  const std::string_view twice[] = {"b", "a", "b"};
  CHECK(wrong_names(twice) == "two of the fields are called 'b'");
}

TEST_CASE("a hash larger than a value may be is none") {
  Fields fields;
  fields.add("a", std::string(kMaxValue, 'x'));
  CHECK(std::move(fields).take().bytes == "the value is larger than 64mb");
  Fields just;
  just.add("a", std::string(kMaxValue - 1, 'x'));
  CHECK(std::move(just).take().kind == Kind::value);
}
