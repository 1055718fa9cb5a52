#include "tiercache/base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace tiercache {

void check_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "tiercache: internal error: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace tiercache
