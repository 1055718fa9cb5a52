// ReplyScanner finds where each frame ends in the bytes a server sent: replies and, between them,
// RESP3 pushes. It builds nothing and needs no frame to be whole, so that a large reply can be
// passed on piece by piece.
//
// Owner and thread: one scanner per byte stream from a server, used on that link's thread only.
// Memory: 32 bytes for a header cut in two, and 8 bytes per level of nesting that was ever open, up
// to max_depth. Lengths and counts that a server claims reserve nothing.
// Cost: O(1) for a bulk string, whatever its size; a small whole reply is a handful of comparisons.
// The answer never depends on how the bytes were cut.
//
// All types of RESP2 and RESP3: + - : $ * _ , # ! = ( % ~ > and | (an attribute belongs to the
// reply behind it and is part of its frame). Null is "$-1", "*-1" or "_". Lengths must be spelled
// canonically. The streamed "$?" and "*?" are errors, since Redis never sends them. A push inside
// another value is a part of it: EXEC's reply has one for a SUBSCRIBE that was queued. Simple
// strings, errors and big numbers, which scripts fill with any text, end at the first CRLF; a lone
// CR or LF in them is tolerated.
#pragma once

#include "tiercache/resp/parse_status.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tiercache::resp {

struct ScanLimits {
  std::size_t max_depth = 65536;  // aggregates inside each other; a script's reply can be deep
  std::uint64_t max_elements = std::uint64_t{1} << 32;  // all values in one frame
  std::uint64_t max_bulk = std::uint64_t{1} << 30;      // twice what Redis allows by default
  std::uint64_t max_line = std::uint64_t{1024} * 1024;  // + - , ( without type and CRLF
};

enum class FrameKind : std::uint8_t { reply, push };

class ReplyScanner {
 public:
  struct Step {
    ParseStatus status;
    std::size_t consumed;
  };

  explicit ReplyScanner(ScanLimits limits = {});

  // complete: the frame ended with the `consumed`-th byte; the next call begins a new one.
  // incomplete: all of the input (consumed == input.size()) belongs to the frame.
  // error: nothing more can be told of this stream, and every further call says the same.
  Step scan(std::string_view input);

  // The type byte of the current or just completed frame, of the reply behind its attributes if
  // it has any; '\0' before it is known.
  char first_byte() const noexcept {
    return first_byte_;
  }
  // Known as soon as first_byte() is.
  FrameKind kind() const noexcept {
    return first_byte_ == '>' ? FrameKind::push : FrameKind::reply;
  }
  // Whether bytes of an unfinished frame have been consumed.
  bool mid_frame() const noexcept {
    return mid_frame_;
  }
  // After error: what is wrong, for the log. One line.
  std::string_view error() const noexcept {
    return error_;
  }

 private:
  enum class State : std::uint8_t {
    type,        // a value begins
    header,      // a short line, gathered in header_
    text,        // a line of any length
    payload,     // payload_left_ bytes
    payload_cr,  // and its CRLF
    payload_lf,
    failed,
  };
  // What the parts of a value tell the main loop.
  enum class Progress : std::uint8_t { value_ended, going_on, failed };

  void begin_frame();
  void begin_value(char type);
  const char* skip_small_value(const char* p, const char* end) const;
  Progress read_header(const char*& p, const char* end);
  Progress read_text(const char*& p, const char* end);
  Progress read_double(const char*& p, const char* end);
  Progress read_payload(const char*& p, const char* end);
  Progress header_done(std::string_view line);
  Progress length_done(std::string_view line);
  Progress count_done(std::string_view line);
  Progress open_aggregate(std::uint64_t count);
  bool frame_ended_with_value();
  Progress fail(std::string_view text);

  // Constant after construction.
  ScanLimits limits_;

  State state_ = State::type;
  char type_ = '\0';  // of the value being read
  char first_byte_ = '\0';
  bool mid_frame_ = false;
  bool saw_cr_ = false;
  bool in_attribute_ = false;  // the outermost open aggregate is an attribute: the reply follows it
  std::uint8_t header_size_ = 0;
  std::array<char, 32> header_{};
  std::uint64_t payload_left_ = 0;
  std::uint64_t text_size_ = 0;
  std::uint64_t elements_ = 0;
  std::vector<std::uint64_t> open_;  // per open aggregate: values still to come, never 0
  std::string_view error_;
};

}  // namespace tiercache::resp
