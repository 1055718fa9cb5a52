// What has become of a flight (OpKind::flight) of a key that may be loaded.
#pragma once

#include "reply_queue.hpp"

#include "tiercache/coherence/shard.hpp"

#include <string_view>

namespace tiercache::proxy {

// Of no flight.
inline constexpr coherence::FlightId kNoFlight = 0;

// It goes on to a source where Redis has not the key.
inline bool is_loading(const Op& op) {
  return op.kind == OpKind::flight && op.extra && op.extra->loading;
}

// Another server has been asked to answer: it has ended for L1.
inline bool has_left(const Op& op) {
  return op.flight == kNoFlight;
}

// A piece of the reply to a PTTL, as far as it matters.
inline void gather_pttl(Op& op, std::string_view piece) {
  constexpr std::size_t kLongest = 64;  // an error may be longer: it is one all the same
  if (op.gather.size() < kLongest) {
    op.gather.append(piece);
  }
}

}  // namespace tiercache::proxy
