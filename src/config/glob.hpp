// Redis's glob: `*`, `?`, `[a-z]`, `[^a]`, `\x`; ASCII case does not matter. Linear in the text for
// each star of the pattern, no recursion.
#pragma once

#include <string_view>

namespace tiercache::config {

bool glob_match(std::string_view pattern, std::string_view text) noexcept;

}  // namespace tiercache::config
