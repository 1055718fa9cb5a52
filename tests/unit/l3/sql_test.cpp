#include "sql.hpp"

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::l3;
using config::KeyPattern;

namespace {

std::string text_of(std::string_view query) {
  const auto made = numbered(query, {"id", "name"});
  return made ? made.value().text : made.error().detail;
}

std::string literal(const std::vector<KeyPattern::Value>& values) {
  std::vector<const KeyPattern::Value*> pointers;
  for (const KeyPattern::Value& value : values) {
    pointers.push_back(&value);
  }
  return array_literal(pointers);
}

}  // namespace

TEST_CASE("parameters by name become numbers") {
  CHECK(text_of("select doc from t where id = :id") == "select doc from t where id = $1");
  CHECK(text_of("select :name, :id, :name") == "select $1, $2, $1");
  CHECK(text_of("where id = ANY(:id)") == "where id = ANY($1)");
  CHECK(text_of("where id=:id::int8 and x::text = 'y'") == "where id=$1::int8 and x::text = 'y'");
  CHECK(numbered("select :name, :id", {"id", "name"})->order == std::vector<std::size_t>{1, 0});
  CHECK(text_of("select 1") == "select 1");
  CHECK(text_of("select a[1:2], a[:id], ':'") == "select a[1:2], a[$1], ':'");
  CHECK(text_of("select :other") == "the query has a parameter that the key does not: :other");
}

TEST_CASE("what only looks like a parameter is left") {
  for (const char* query :
       {"select ':id'", "select ':id'':id'", "select \":id\"", "select E'\\':id'",
        "select e'\\\\' || ''", "-- :id\nselect 1", "select 1 -- :id",
        "/* :id /* */ :id */ select 1", "select $$:id$$", "select $x$ :id $$ :id $x$",
        "select x::id", "select '\\' , ':id'", "select 1 where ': id' = ':id"}) {
    CAPTURE(query);
    CHECK(text_of(query) == query);
  }
  CHECK(text_of("select '\\', :id") == "select '\\', $1");
  CHECK(text_of("select 'a' 'b', :id") == "select 'a' 'b', $1");
  CHECK(text_of("/* :id */ :id -- :id") == "/* :id */ $1 -- :id");
  CHECK(text_of("$$:id$$ :id") == "$$:id$$ $1");
}

TEST_CASE("the literal of an array") {
  CHECK(literal({std::int64_t{1}, std::int64_t{-2}}) == "{1,-2}");
  CHECK(literal({std::string("a"), std::string("b,}\"\\")}) == R"({"a","b,}\"\\"})");
  CHECK(literal({std::string("NULL")}) == R"({"NULL"})");
  CHECK(literal({}) == "{}");
}

TEST_CASE("what PostgreSQL can hold as text") {
  for (const char* text : {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf",
                           "\xf4\x8f\xbf\xbf"}) {
    CAPTURE(text);
    CHECK(is_storable_text(text));
  }
  for (const char* text :
       {"\x80", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe2\x82", "\xc3\x28"}) {
    CAPTURE(text);
    CHECK_FALSE(is_storable_text(text));
  }
  CHECK_FALSE(is_storable_text(std::string_view("a\0b", 3)));
}
