// What has become of a flight (OpKind::flight) of a key that may be loaded.
#pragma once

#include "reply_queue.hpp"

#include "tiercache/coherence/shard.hpp"

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

}  // namespace tiercache::proxy
