// The one spelling of an integer that the protocol's lengths have: an optional minus, no plus, no
// leading zeros, no spaces, in range. Anything else is an error, not a guess.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace tiercache::resp {

inline std::optional<std::int64_t> parse_canonical_integer(std::string_view text) noexcept {
  if (text == "0") {
    return 0;
  }
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) {
    text.remove_prefix(1);
  }
  // 19 digits cannot overflow the unsigned accumulator; the range is checked afterwards.
  if (text.empty() || text.size() > 19 || text.front() == '0') {
    return std::nullopt;
  }
  std::uint64_t magnitude = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    magnitude = magnitude * 10 + static_cast<std::uint64_t>(c - '0');
  }
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (magnitude > kMax + (negative ? 1 : 0)) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
}

}  // namespace tiercache::resp
