// Words of a request: letter case and numbers. Pure.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tiercache::admin {

inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

inline std::optional<std::uint64_t> positive_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stop != text.data() + text.size() || number == 0) {
    return std::nullopt;
  }
  return number;
}

// As part of an error: short, and without what would break the line.
inline std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 128;
  std::string result(text.substr(0, kLongest));
  std::ranges::replace_if(
      result, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return result;
}

}  // namespace tiercache::admin
