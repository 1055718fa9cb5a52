// The text of a query and of its parameters as PostgreSQL takes them. Pure.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/config/key_pattern.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::l3 {

// A query whose parameters have names (":id") with numbers in their place ("$1"). What looks like
// one within a string, a quoted name or a comment is left, and so is a cast ("x::int").
struct Numbered {
  std::string text;
  std::vector<std::size_t> order;  // which of the names $1, $2... are
};
// An error if a parameter has none of the names.
Result<Numbered> numbered(std::string_view query, const std::vector<std::string>& names);

std::string value_text(const config::KeyPattern::Value& value);
// The literal of an array: {1,2} or {"a","b"}.
std::string array_literal(std::span<const config::KeyPattern::Value* const> values);

// Whether PostgreSQL can hold the text: UTF-8 without NUL.
bool is_storable_text(std::string_view text);

}  // namespace tiercache::l3
