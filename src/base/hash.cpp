#include "tiercache/base/hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tiercache {

KeyHash KeyHasher::operator()(std::uint32_t db, std::string_view key) const noexcept {
  return XXH3_64bits_withSeed(key.data(), key.size(), seed_ + db * 0x9E3779B97F4A7C15ULL);
}

}  // namespace tiercache
