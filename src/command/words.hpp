// Words and numbers among arguments, read as the server reads them.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tiercache::command {

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

// `lower_name` is in lower case already.
constexpr bool same_name(std::string_view given, std::string_view lower_name) {
  if (given.size() != lower_name.size()) {
    return false;
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (lower(given[i]) != lower_name[i]) {
      return false;
    }
  }
  return true;
}

// An option word. The server compares these as C strings, so for it "STORE\0x" is STORE; whoever
// took it for something else would miss the destination key.
constexpr bool is_word(std::string_view arg, std::string_view lower_word) {
  return same_name(arg, lower_word) ||
         (arg.size() > lower_word.size() && arg[lower_word.size()] == '\0' &&
          same_name(arg.substr(0, lower_word.size()), lower_word));
}

// The server's notion of an integer: no blanks, no '+', no leading zeros, not "-0".
inline std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || parsed != end) {
    return std::nullopt;
  }
  const std::string_view digits = text.front() == '-' ? text.substr(1) : text;
  if (digits.front() == '0' && text.size() != 1) {
    return std::nullopt;
  }
  return value;
}

}  // namespace tiercache::command
