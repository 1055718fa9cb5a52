#include "toml_reader.hpp"

#include "text_guard.hpp"
#include "tomlplusplus.hpp"

#include "tiercache/config/load.hpp"

#include <algorithm>

namespace tiercache::config {
namespace {

Place place_of(const toml::source_position& position) {
  return {position.line, position.column};
}

Literal literal_of(const toml::node& node);

Literal literal_of_array(const toml::array& array) {
  std::vector<std::string> words;
  for (const toml::node& element : array) {
    const auto* text = element.as_string();
    if (text == nullptr) {
      return Unsupported{"an array that holds more than strings"};
    }
    words.push_back(text->get());
  }
  return words;
}

Literal literal_of(const toml::node& node) {
  if (const auto* flag = node.as_boolean()) {
    return flag->get();
  }
  if (const auto* number = node.as_integer()) {
    return number->get();
  }
  if (const auto* text = node.as_string()) {
    return text->get();
  }
  if (const auto* array = node.as_array()) {
    return literal_of_array(*array);
  }
  if (node.is_table()) {
    return Unsupported{"a table"};
  }
  if (node.is_floating_point()) {
    return Unsupported{"a floating-point number"};
  }
  return Unsupported{"a date or time"};
}

std::vector<Node> nodes_of(const toml::table& table, int levels) {
  std::vector<Node> nodes;
  for (auto&& [key, node] : table) {
    Node made{std::string(key.str()),
              place_of(key.source().begin),
              place_of(node.source().begin),
              literal_of(node),
              {},
              node.is_table(),
              node.is_array_of_tables()};
    if (made.is_table && levels > 1) {
      made.children = nodes_of(*node.as_table(), levels - 1);
    } else if (made.is_table_array && levels > 1) {
      for (const toml::node& element : *node.as_array()) {
        const Place at = place_of(element.source().begin);
        Node one{{}, at, at, Unsupported{"a table"}, {}, true, false};
        one.children = nodes_of(*element.as_table(), levels - 1);
        made.children.push_back(std::move(one));
      }
    }
    nodes.push_back(std::move(made));
  }
  std::ranges::sort(nodes, {}, &Node::name_at);
  return nodes;
}

std::string one_line(std::string_view text) {
  std::string result(text);
  std::ranges::replace_if(
      result, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');
  return result;
}

bool breaks_assumption(std::string_view text) {
  try {
    static_cast<void>(toml::parse(text));
  } catch (const toml::parse_error&) {
  } catch (const ParserAssumptionBroken&) {
    return true;
  }
  return false;
}

// The parser reads from front to back, so the shortest run of lines that breaks it ends with the
// line to blame. REQUIRES: the whole text breaks it.
std::uint32_t line_of_broken_assumption(std::string_view text) {
  std::vector<std::size_t> ends;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') {
      ends.push_back(i + 1);
    }
  }
  const auto line = std::ranges::partition_point(
      ends, [text](std::size_t end) { return !breaks_assumption(text.substr(0, end)); });
  return static_cast<std::uint32_t>(line - ends.begin()) + 1;
}

}  // namespace

Document read_toml(std::string_view text) {
  if (text.size() > kMaxText) {
    return SyntaxError{{}, "the text has more than " + std::to_string(kMaxText) + " bytes"};
  }
  if (auto hazard = find_hazard(text)) {
    return *std::move(hazard);
  }
  try {
    return nodes_of(toml::parse(text), 2);
  } catch (const toml::parse_error& error) {
    return SyntaxError{place_of(error.source().begin), one_line(error.description())};
  } catch (const ParserAssumptionBroken&) {
    return SyntaxError{{line_of_broken_assumption(text), 1}, "this line is not valid TOML"};
  }
}

std::optional<Literal> read_toml_value(std::string_view text) {
  Document document = read_toml("v = " + std::string(text));
  auto* nodes = std::get_if<std::vector<Node>>(&document);
  if (nodes == nullptr || nodes->size() != 1) {
    return std::nullopt;
  }
  return std::move(nodes->front().value);
}

}  // namespace tiercache::config
