// Frames of the event connection, found and taken apart in place. RESP2 only, and only the shapes
// that a subscribed connection can carry: anything deeper is an error. Pure; no allocation; some
// tens of nanoseconds for an event, whatever the size of its key.
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
    std::string_view text;  // of an integer its digits; of an array inside, nothing
  };
  static constexpr std::size_t kMaxParts = 4;

  Kind kind = Kind::nil;
  std::string_view text;  // of everything but an array
  std::array<Part, kMaxParts> parts;
  std::size_t count = 0;  // of the parts, if it is an array
};

struct EventScan {
  resp::ParseStatus status;
  std::size_t consumed;  // complete only: the size of the frame
};

// The first frame of `input`. What `frame` holds points into `input`.
EventScan scan_event(std::string_view input, EventFrame& frame);

// "__keyspace@<db>__:<key>". False if the channel is another one.
bool parse_keyspace_channel(std::string_view channel, std::uint32_t& db, std::string_view& key);

}  // namespace tiercache::l2
