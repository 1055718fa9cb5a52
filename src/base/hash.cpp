#include "tiercache/base/hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tiercache {

KeyHash KeyHasher::operator()(std::uint32_t db, std::string_view key) const noexcept {
  return XXH3_64bits_withSeed(key.data(), key.size(), seed_ + db * 0x9E3779B97F4A7C15ULL);
}

WideHash wide_hash(std::uint64_t seed, std::string_view bytes) noexcept {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return {hash.low64, hash.high64};
}

}  // namespace tiercache
