// The one place that knows toml++: text to a flat, small tree of our own with places. Knows no key.
// Safe on hostile text: size, nesting and the dots of keys are limited before a tree is built,
// and what the library itself trips over is an error.
#pragma once

#include "literal.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tiercache::config {

struct Place {
  std::uint32_t line = 1;
  std::uint32_t column = 1;

  auto operator<=>(const Place&) const = default;
};

struct Node {
  std::string name;
  Place name_at;
  Place value_at;
  Literal value;  // Unsupported when it is a table
  // Of a table at the top level its nodes; of an array of tables there its tables, without a name.
  // Deeper ones are not entered.
  std::vector<Node> children;
  bool is_table = false;
  bool is_table_array = false;
};

struct SyntaxError {
  Place at;
  std::string what;  // one line
};

// The nodes stand in the order of the text.
using Document = std::variant<std::vector<Node>, SyntaxError>;
Document read_toml(std::string_view text);

// A single value, as it stands right of `=`; nothing when the text is not exactly one.
std::optional<Literal> read_toml_value(std::string_view text);

}  // namespace tiercache::config
