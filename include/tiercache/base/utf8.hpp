// Whether bytes are text. Pure.
#pragma once

#include <string_view>

namespace tiercache {

// Well-formed UTF-8, NUL included.
bool is_utf8(std::string_view text) noexcept;

}  // namespace tiercache
