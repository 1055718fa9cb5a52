// Always-on checks for bugs of our own. Bytes from a peer are never checked with these: they are
// data and become an Error. A failed check prints where and aborts; it cannot be compiled out.
#pragma once

namespace tiercache {

[[noreturn]] void check_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace tiercache

#define TC_CHECK(expression)                                      \
  do {                                                            \
    if (!(expression)) [[unlikely]] {                             \
      ::tiercache::check_failed(#expression, __FILE__, __LINE__); \
    }                                                             \
  } while (false)
