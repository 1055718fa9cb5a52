#include "tiercache/base/utf8.hpp"

#include <cstddef>

namespace tiercache {

bool is_utf8(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto byte = [&](std::size_t offset) {
      return at + offset < text.size() ? static_cast<unsigned char>(text[at + offset]) : 0U;
    };
    const unsigned first = byte(0);
    const unsigned size = first < 0x80   ? 1
                          : first < 0xc2 ? 0
                          : first < 0xe0 ? 2
                          : first < 0xf0 ? 3
                          : first < 0xf5 ? 4
                                         : 0;
    if (size == 0) {
      return false;
    }
    for (unsigned i = 1; i < size; i++) {
      if ((byte(i) & 0xc0U) != 0x80) {
        return false;
      }
    }
    // Overlong forms, surrogates, and beyond the last character.
    const unsigned second = byte(1);
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
        (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) {
      return false;
    }
    at += size;
  }
  return true;
}

}  // namespace tiercache
