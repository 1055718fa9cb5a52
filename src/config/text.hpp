// Small helpers for texts. Pure.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

namespace tiercache::config {

// One allocation, and without g++ 12's false -Wrestrict on operator+.
inline std::string concat(std::initializer_list<std::string_view> pieces) {
  std::size_t size = 0;
  for (const std::string_view piece : pieces) {
    size += piece.size();
  }
  std::string text;
  text.reserve(size);
  for (const std::string_view piece : pieces) {
    text.append(piece);
  }
  return text;
}

// Without the spaces at both ends.
inline std::string_view trimmed(std::string_view text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return text.substr(0, text.find_last_not_of(' ') + 1);  // npos + 1 is 0
}

}  // namespace tiercache::config
