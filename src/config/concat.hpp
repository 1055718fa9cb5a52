// Joins pieces of text with one allocation (and without g++ 12's false -Wrestrict on operator+).
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace tiercache::config {

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

}  // namespace tiercache::config
