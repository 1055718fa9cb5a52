// How long Redis keeps a copy of what a source has: l2_ttl_ms, less what jitter takes so that keys
// that were stored together do not end together, and behind that the time for which it may be
// served stale (freshness.hpp), of which jitter takes nothing. A shorter TTL makes a copy stale
// earlier, never later. Pure.
#pragma once

#include "tiercache/config/config.hpp"

#include <chrono>
#include <string_view>

namespace tiercache::proxy {

struct CopyTtl {
  std::chrono::milliseconds fresh{0};  // 0: none at all
  std::chrono::milliseconds window{0};
  unsigned jitter_percent = 0;  // less than 100

  // Of what is stored at that moment: the same for the same key and moment. 0: none; else 1 at
  // least.
  std::chrono::milliseconds of(std::string_view key,
                               std::chrono::milliseconds moment) const noexcept;
};

// Of what is kept in Redis for `l2_ttl` in that namespace.
CopyTtl copy_ttl_of(const config::Namespace& space, std::chrono::milliseconds l2_ttl) noexcept;

}  // namespace tiercache::proxy
