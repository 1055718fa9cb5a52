// A reply's frame, written where there is room for it already: what Reply::append_to does for a
// string, for those who put many replies together.
#pragma once

#include "tiercache/l1/reply.hpp"

#include <cstddef>

namespace tiercache::l1 {

// At most so much longer than its body() is a frame.
inline constexpr std::size_t kMostFraming = 25;

// Returns its end. REQUIRES: room for reply.size() bytes.
char* write_frame(char* out, const Reply& reply) noexcept;

}  // namespace tiercache::l1
