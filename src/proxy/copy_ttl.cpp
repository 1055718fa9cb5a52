#include "tiercache/proxy/copy_ttl.hpp"

#include "tiercache/base/hash.hpp"
#include "tiercache/namespaces/set.hpp"
#include "tiercache/proxy/freshness.hpp"

#include <algorithm>
#include <cstdint>

namespace tiercache::proxy {

using std::chrono::milliseconds;

milliseconds CopyTtl::of(std::string_view key, milliseconds moment) const noexcept {
  if (fresh.count() <= 0) {
    return milliseconds(0);
  }
  if (jitter_percent == 0) {
    return fresh + window;
  }
  const std::uint64_t random = wide_hash(static_cast<std::uint64_t>(moment.count()), key).low;
  const auto shorter =
      std::chrono::duration_cast<milliseconds>(namespaces::jittered(fresh, jitter_percent, random));
  return std::max(shorter, milliseconds(1)) + window;
}

CopyTtl copy_ttl_of(const config::Namespace& space, milliseconds l2_ttl) noexcept {
  return {l2_ttl, freshness_of(space).window(), space.jitter_percent};
}

}  // namespace tiercache::proxy
