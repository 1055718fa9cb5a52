// The namespaces of a configuration, in their order, with the matcher that finds them. Made at
// start, then only read: thread-safe, pure.
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/config/config.hpp"
#include "tiercache/namespaces/matcher.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tiercache::namespaces {

// Which namespace: 0 is that of the keys that belong to none, 1 the first that is configured.
using Index = std::uint16_t;
inline constexpr Index kDefault = 0;

class Set {
 public:
  Set() = default;
  explicit Set(std::vector<config::Namespace> namespaces);

  // Some tens of nanoseconds; one comparison if there are none.
  Index find(std::string_view key) const noexcept {
    return namespaces_.empty() ? kDefault : static_cast<Index>(matcher_.find(key) + 1);
  }
  // How many are configured.
  std::size_t size() const noexcept {
    return namespaces_.size();
  }
  // REQUIRES: 0 < index <= size().
  const config::Namespace& at(Index index) const noexcept {
    return namespaces_[index - 1U];
  }

 private:
  std::vector<config::Namespace> namespaces_;
  Matcher matcher_;
};
static_assert(static_cast<Index>(Matcher::kNone + 1) == kDefault);

// `ttl` less up to `percent` of it, as `random` says.
Duration jittered(Duration ttl, unsigned percent, std::uint64_t random) noexcept;

}  // namespace tiercache::namespaces
