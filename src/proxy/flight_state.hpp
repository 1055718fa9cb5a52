// What has become of a flight (OpKind::flight) of a key that may be loaded.
#pragma once

#include "reply_queue.hpp"
#include "variants.hpp"

#include "tiercache/coherence/shard.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace tiercache::proxy {

// Of no flight.
inline constexpr coherence::FlightId kNoFlight = 0;

// In place of PTTL's answer: L1 keeps what it fills for the namespace's own time, and says nothing
// of the TTL in Redis.
inline constexpr std::int64_t kTtlNotAsked = std::numeric_limits<std::int64_t>::max();

// It goes on to a source where Redis has not the key.
inline bool is_loading(const Op& op) {
  return op.kind == OpKind::flight && op.extra && op.extra->loading;
}

// Another server has been asked to answer: it has ended for L1.
inline bool has_left(const Op& op) {
  return op.flight == kNoFlight;
}

// The reply to a PTTL, as far as it matters, when its last piece is here. What comes in one piece
// is not copied; else it is in `gather`.
inline std::optional<std::string_view> whole_pttl(Op& op, std::string_view piece, bool last) {
  constexpr std::size_t kLongest = 64;  // an error may be longer: it is one all the same
  if (last && op.gather.empty()) {
    return piece;
  }
  if (op.gather.size() < kLongest) {
    op.gather.append(piece);
  }
  return last ? std::optional<std::string_view>(op.gather) : std::nullopt;
}

}  // namespace tiercache::proxy
