// Which of a Cluster's 16384 slots a key lies in, and where a server says that a slot is. Pure.
#pragma once

#include "tiercache/config/endpoint.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace tiercache::topology {

using Slot = std::uint16_t;
inline constexpr std::size_t kSlots = 16384;

// CRC16 (XMODEM) of the key, or of what stands between its first `{` and the first `}` behind that
// if it is not empty. About a nanosecond a byte.
Slot slot_of(std::string_view key) noexcept;

// "-MOVED 3999 10.0.0.1:6381", "-ASK ..." and what they mean.
struct Redirect {
  enum class Kind : std::uint8_t {
    moved,  // the slot is there, for good
    ask,    // this time only, with ASKING before it
  };
  Kind kind = Kind::moved;
  Slot slot = 0;
  // The host may be a name that the server announces; empty: it is that of who says so; "?": it is
  // to be a name, and there is none.
  config::Endpoint endpoint;
};
// Of a whole error reply; none: it is another.
std::optional<Redirect> read_redirect(std::string_view error);

}  // namespace tiercache::topology
