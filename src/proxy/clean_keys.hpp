// What a session knows while invalidations are pending (proxy/invalidations.hpp). A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::proxy {

// What is said where an invalidated copy cannot be done away with.
inline constexpr std::string_view kNotClean =
    "ERR tiercache: a key of it is invalidated, and Redis does not let go of its copy";

struct CleanKeys {
  static constexpr std::uint64_t kFailed = ~std::uint64_t{0};  // Invalidations::kFailed
  // Up to which invalidation the keys of the request in hand are clean; 0 for each new one.
  std::uint64_t upto = 0;
  std::uint64_t wait = 0;  // which one it is that the session is in; 0: none
  std::uint64_t last_wait = 0;
  // Of the transaction, those that a source has too, with their dbs.
  std::vector<std::pair<std::uint32_t, std::string>> queued{};

  bool failed() const noexcept {
    return upto == kFailed;
  }
};

}  // namespace tiercache::proxy
