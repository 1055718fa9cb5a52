// The one hash of a key: XXH3 (xxhash 0.8) with a process-wide random seed, the db mixed in.
// The seed keeps a client from choosing keys that share a shard, a stripe or a bucket.
// Everything that locates a key (shard, stripe, index) takes bits of this hash, so a key is
// hashed once per request. Cost: about 5 ns for a 16-byte key. Thread-safe, pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace tiercache {

using KeyHash = std::uint64_t;

class KeyHasher {
 public:
  explicit KeyHasher(std::uint64_t seed) noexcept : seed_(seed) {
  }
  KeyHash operator()(std::uint32_t db, std::string_view key) const noexcept;

 private:
  std::uint64_t seed_;
};

// For what must not be taken for something else even by chance: 128 bits of the same family.
struct WideHash {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  bool operator==(const WideHash&) const = default;
};
WideHash wide_hash(std::uint64_t seed, std::string_view bytes) noexcept;

}  // namespace tiercache
