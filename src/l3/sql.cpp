#include "sql.hpp"

#include "tiercache/base/utf8.hpp"

#include <algorithm>
#include <cstdint>
#include <variant>

namespace tiercache::l3 {

namespace {

bool begins_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool in_name(char c) {
  return begins_name(c) || (c >= '0' && c <= '9');
}

// Behind the closing mark that ends what begins at `at`, or the end of the text.
std::size_t behind(std::string_view text, std::size_t at, std::string_view mark) {
  const auto found = text.find(mark, at);
  return found == text.npos ? text.size() : found + mark.size();
}

// E'...' knows \', other strings and names do not.
std::size_t behind_quoted(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const bool escapes = quote == '\'' && at > 0 && (text[at - 1] == 'e' || text[at - 1] == 'E') &&
                       (at == 1 || !in_name(text[at - 2]));
  for (at++; at < text.size(); at++) {
    if (escapes && text[at] == '\\') {
      at++;
    } else if (text[at] == quote) {
      return at + 1;
    }
  }
  return text.size();
}

// $tag$...$tag$; the next character if it is none.
std::size_t behind_dollars(std::string_view text, std::size_t at) {
  auto end = at + 1;
  while (end < text.size() && in_name(text[end])) {
    end++;
  }
  const bool tag = end < text.size() && text[end] == '$' &&
                   (end == at + 1 || begins_name(text[at + 1])) &&
                   (at == 0 || !in_name(text[at - 1]));
  return tag ? behind(text, end + 1, text.substr(at, end + 1 - at)) : at + 1;
}

// Comments of this kind nest.
std::size_t behind_comment(std::string_view text, std::size_t at) {
  int depth = 0;
  while (at < text.size()) {
    if (text.substr(at, 2) == "/*") {
      depth++;
      at += 2;
    } else if (text.substr(at, 2) == "*/") {
      at += 2;
      if (--depth == 0) {
        break;
      }
    } else {
      at++;
    }
  }
  return at;
}

// Behind what stands for itself, of which one character at least.
std::size_t behind_literal(std::string_view text, std::size_t at) {
  const std::string_view two = text.substr(at, 2);
  if (text[at] == '\'' || text[at] == '"') {
    return behind_quoted(text, at);
  }
  if (text[at] == '$') {
    return behind_dollars(text, at);
  }
  if (two == "--") {
    return behind(text, at, "\n");
  }
  if (two == "/*") {
    return behind_comment(text, at);
  }
  return at + (two == "::" ? 2 : 1);
}

}  // namespace

Result<Numbered> numbered(std::string_view query, const std::vector<std::string>& names) {
  Numbered result;
  std::size_t at = 0;
  while (at < query.size()) {
    if (query[at] == ':' && at + 1 < query.size() && begins_name(query[at + 1])) {
      auto end = at + 1;
      while (end < query.size() && in_name(query[end])) {
        end++;
      }
      const std::string_view name = query.substr(at + 1, end - at - 1);
      const auto known = std::ranges::find(names, name);
      if (known == names.end()) {
        return Error{ErrorCode::invalid,
                     "the query has a parameter that the key does not: :" + std::string(name)};
      }
      const auto position = static_cast<std::size_t>(known - names.begin());
      auto place = std::ranges::find(result.order, position);
      if (place == result.order.end()) {
        result.order.push_back(position);
        place = result.order.end() - 1;
      }
      result.text += "$" + std::to_string(place - result.order.begin() + 1);
      at = end;
      continue;
    }
    const std::size_t end = behind_literal(query, at);
    result.text += query.substr(at, end - at);
    at = end;
  }
  return result;
}

std::string value_text(const config::KeyPattern::Value& value) {
  const auto* number = std::get_if<std::int64_t>(&value);
  return number != nullptr ? std::to_string(*number) : std::get<std::string>(value);
}

std::string array_literal(std::span<const config::KeyPattern::Value* const> values) {
  std::string text = "{";
  for (const config::KeyPattern::Value* value : values) {
    text += text.size() > 1 ? "," : "";
    if (const auto* number = std::get_if<std::int64_t>(value)) {
      text += std::to_string(*number);
      continue;
    }
    text += '"';
    for (const char c : std::get<std::string>(*value)) {
      text += c == '"' || c == '\\' ? "\\" : "";
      text += c;
    }
    text += '"';
  }
  return text + "}";
}

bool is_storable_text(std::string_view text) {
  return text.find('\0') == text.npos && is_utf8(text);
}

}  // namespace tiercache::l3
