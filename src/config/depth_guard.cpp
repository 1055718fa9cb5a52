#include "depth_guard.hpp"

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

std::optional<std::uint32_t> first_line_too_deep(std::string_view text) noexcept {
  std::uint32_t line = 1;
  std::size_t dots = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      const std::size_t end = end_of_string(text, i);
      const auto breaks = std::count(text.begin() + static_cast<std::ptrdiff_t>(i),
                                     text.begin() + static_cast<std::ptrdiff_t>(end), '\n');
      line += static_cast<std::uint32_t>(breaks);
      i = end;
      continue;
    }
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    if (c == '\n') {
      ++line;
      dots = 0;
    } else if (c == '.' && ++dots > kMaxDots) {
      return line;
    }
    ++i;
  }
  return std::nullopt;
}

}  // namespace tiercache::config
