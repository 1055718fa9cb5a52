// A value as somebody wrote it, before its key has judged it, and the texts made from values.
#pragma once

#include "tiercache/config/schema.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tiercache::config {

// Well-formed TOML that no key takes: "a table", "a date".
struct Unsupported {
  std::string_view what;
};

using Literal =
    std::variant<bool, std::int64_t, std::string, std::vector<std::string>, Unsupported>;

// A value from the environment or a command line, read as the key's kind suggests.
Literal literal_of(const KeyFacts& key, std::string_view text);

// Judges the kind and the range. The error's detail is `expected ..., got ...`.
Result<Value> to_value(const KeyFacts& key, const Literal& literal);

// As it stands in a TOML file; as CACHE CONFIG GET shows it.
std::string toml_of(const KeyFacts& key, const Value& value);
std::string text_of(const KeyFacts& key, const Value& value);

// True for a secret that is set: whoever shows it must show kHidden.
bool must_hide(const KeyFacts& key, const Value& value);

// A TOML basic string.
std::string quoted(std::string_view text);
// The same for messages: cut when long.
std::string quoted_briefly(std::string_view text);

// "256mb"; only digits when no unit divides it.
std::string size_text(std::int64_t bytes);
std::optional<std::int64_t> parse_size(std::string_view text);

}  // namespace tiercache::config
