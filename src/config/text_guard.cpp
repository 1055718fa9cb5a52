#include "text_guard.hpp"

#include <algorithm>

namespace tiercache::config {
namespace {

// The index behind the string that begins at `begin` with a quote.
std::size_t end_of_string(std::string_view text, std::size_t begin) noexcept {
  const char quote = text[begin];
  const char triple[] = {quote, quote, quote};
  const bool many_lines = text.substr(begin).starts_with(std::string_view(triple, 3));
  std::size_t i = begin + (many_lines ? 3 : 1);
  for (; i < text.size(); ++i) {
    if (text[i] == '\\' && quote == '"') {
      ++i;
    } else if (text[i] == '\n' && !many_lines) {
      return i;
    } else if (text[i] == quote && !many_lines) {
      return i + 1;
    } else if (text[i] == quote && text.substr(i).starts_with(std::string_view(triple, 3))) {
      i += 3;
      // Up to two quotes more belong to the string.
      for (int extra = 0; extra < 2 && i < text.size() && text[i] == quote; ++extra) {
        ++i;
      }
      return i;
    }
  }
  return text.size();
}

}  // namespace

std::optional<SyntaxError> find_hazard(std::string_view text) {
  std::uint32_t line = 1;
  std::size_t line_begin = 0;
  std::size_t dots = 0;
  std::size_t i = 0;
  while (i < text.size()) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      const std::size_t end = end_of_string(text, i);
      for (; i < end; ++i) {
        if (text[i] == '\n') {
          ++line;
          line_begin = i + 1;
        }
      }
      continue;
    }
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    if (c == '\n') {
      ++line;
      line_begin = i + 1;
      dots = 0;
    } else if (c == '.' && ++dots > kMaxDots) {
      const auto column = static_cast<std::uint32_t>(i - line_begin) + 1;
      return SyntaxError{{line, column}, "too many dots in one line"};
    }
    ++i;
  }
  return std::nullopt;
}

}  // namespace tiercache::config
