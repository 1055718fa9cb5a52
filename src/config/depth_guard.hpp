// Finds keys that would build a tree too deep to destroy. `a.a.a = 1` and `[a.a.a]` nest without
// the parser's own limit applying, a dot for each level. Pure, linear, allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tiercache::config {

inline constexpr std::size_t kMaxDots = 32;

// The first line with more than kMaxDots dots outside strings and comments. Strings are followed
// exactly only as far as the text is valid TOML; the parser stops where it is not.
std::optional<std::uint32_t> first_line_too_deep(std::string_view text) noexcept;

}  // namespace tiercache::config
