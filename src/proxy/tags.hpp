// What a session sends its requests with, so that it knows which reply is which. Pure.
#pragma once

#include <cstdint>

namespace tiercache::proxy {

enum class Asked : std::uint8_t {
  itself,  // what the client wants to know
  before,  // ahead of it: PTTL, or ASKING
  behind,  // the PTTL behind a read
};

inline constexpr unsigned kAskedBits = 2;

constexpr std::uint64_t tag_of(std::uint64_t op, Asked asked = Asked::itself) noexcept {
  return op << kAskedBits | static_cast<std::uint64_t>(asked);
}
constexpr std::uint64_t op_in(std::uint64_t tag) noexcept {
  return tag >> kAskedBits;
}
constexpr Asked asked_in(std::uint64_t tag) noexcept {
  return static_cast<Asked>(tag & ((std::uint64_t{1} << kAskedBits) - 1));
}

}  // namespace tiercache::proxy
