// Which of a session's operations are writes to a source (run_local() begins them): of those that
// somebody else answers, the ones that change keys of Redis. Pure.
#pragma once

#include "reply_queue.hpp"

namespace tiercache::proxy {

inline bool is_source_write(const Op& op) noexcept {
  return op.kind == OpKind::extension && !op.effects.writes().empty();
}

}  // namespace tiercache::proxy
