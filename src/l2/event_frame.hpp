// Frames of the event connection, found and taken apart in place. RESP2 only, and only the shapes
// that a subscribed connection can carry: anything deeper is an error. Pure; no allocation; some
// tens of nanoseconds for an event, whatever the size of its key.
//
// An invalidation may name millions of keys, so it is not waited for as a whole: its frame ends
// before the first key, and the keys are scanned one by one.
#pragma once

#include "tiercache/resp/parse_status.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tiercache::l2 {

struct EventFrame {
  enum class Kind : std::uint8_t { status, error, integer, text, nil, array };
  struct Part {
    Kind kind = Kind::nil;
    std::string_view text;  // of an integer its digits; of an array, nothing
  };
  static constexpr std::size_t kMaxParts = 4;

  Kind kind = Kind::nil;
  std::string_view text;  // of everything but an array
  std::array<Part, kMaxParts> parts;
  std::size_t count = 0;  // of the parts, if it is an array
  // The last part is an array of so many keys, which follow the frame: see scan_key.
  std::size_t keys = 0;
};

struct EventScan {
  resp::ParseStatus status;
  std::size_t consumed;  // complete only: the size of the frame
};

// The first frame of `input`. What `frame` holds points into `input`.
EventScan scan_event(std::string_view input, EventFrame& frame);

// The next of the keys that follow a frame.
EventScan scan_key(std::string_view input, std::string_view& key);

// "__keyspace@<db>__:<key>". False if the channel is another one.
bool parse_keyspace_channel(std::string_view channel, std::uint32_t& db, std::string_view& key);

}  // namespace tiercache::l2
