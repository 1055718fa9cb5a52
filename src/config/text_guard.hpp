// Finds what the TOML parser must not be given: keys that would build a tree too deep to destroy.
// `a.a.a = 1` and `[a.a.a]` nest without the parser's own limit applying, a dot for each level.
// Pure, linear, allocates nothing but the answer.
#pragma once

#include "toml_reader.hpp"

#include <cstddef>
#include <optional>
#include <string_view>

namespace tiercache::config {

inline constexpr std::size_t kMaxDots = 32;  // in one line, outside strings and comments

// The first hazard. Strings are followed exactly only as far as the text is valid TOML; the parser
// stops where it is not.
std::optional<SyntaxError> find_hazard(std::string_view text);

}  // namespace tiercache::config
