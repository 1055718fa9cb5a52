#include "event_frame.hpp"

#include <charconv>

namespace tiercache::l2 {

namespace {

using resp::ParseStatus;
using Kind = EventFrame::Kind;
using Part = EventFrame::Part;

constexpr std::size_t kMaxLine = std::size_t{64} << 10;
constexpr std::size_t kMaxBulk = std::size_t{1} << 30;
constexpr std::size_t kMaxKeys = std::size_t{1} << 31;  // of one turn of Redis's loop

// A position in the input, and why it cannot move on.
struct Walk {
  const char* at;
  const char* end;
  ParseStatus status = ParseStatus::complete;

  bool stop(ParseStatus why) {
    status = why;
    return false;
  }
  std::size_t left() const {
    return static_cast<std::size_t>(end - at);
  }
};

bool read_line(Walk& walk, std::string_view& line) {
  const std::string_view rest(walk.at, walk.left());
  const std::size_t end = rest.find("\r\n");
  if (end == std::string_view::npos) {
    return walk.stop(rest.size() > kMaxLine ? ParseStatus::error : ParseStatus::incomplete);
  }
  line = rest.substr(0, end);
  walk.at += end + 2;
  return true;
}

// "<digits>\r\n", or "-1\r\n" as kNil.
constexpr std::size_t kNil = ~std::size_t{0};
bool read_size(Walk& walk, std::size_t limit, std::size_t& size) {
  std::size_t value = 0;
  const char* p = walk.at;
  while (p != walk.end && *p >= '0' && *p <= '9') {
    value = value * 10 + static_cast<std::size_t>(*p - '0');
    if (value > limit) {
      return walk.stop(ParseStatus::error);
    }
    p++;
  }
  if (walk.end - p < 2) {
    const bool minus_one = p == walk.at && (p == walk.end || *p == '-');
    return walk.stop(p == walk.end || *p == '\r' || minus_one ? ParseStatus::incomplete
                                                              : ParseStatus::error);
  }
  if (p != walk.at && p[0] == '\r' && p[1] == '\n') {
    walk.at = p + 2;
    size = value;
    return true;
  }
  constexpr std::string_view kMinusOne = "-1\r\n";
  const std::string_view rest(walk.at, walk.left());
  if (rest.starts_with(kMinusOne)) {
    walk.at += kMinusOne.size();
    size = kNil;
    return true;
  }
  return walk.stop(kMinusOne.starts_with(rest) ? ParseStatus::incomplete : ParseStatus::error);
}

bool read_bulk(Walk& walk, Part& part) {
  std::size_t size = 0;
  if (!read_size(walk, kMaxBulk, size)) {
    return false;
  }
  if (size == kNil) {
    part = {Kind::nil, {}};
    return true;
  }
  if (walk.left() < size + 2) {
    return walk.stop(ParseStatus::incomplete);
  }
  part = {Kind::text, {walk.at, size}};
  walk.at += size + 2;
  return walk.at[-2] == '\r' && walk.at[-1] == '\n' ? true : walk.stop(ParseStatus::error);
}

bool read_plain(Walk& walk, char type, Part& part) {
  switch (type) {
    case '$':
      return read_bulk(walk, part);
    case '+':
      part.kind = Kind::status;
      break;
    case '-':
      part.kind = Kind::error;
      break;
    case ':':
      part.kind = Kind::integer;
      break;
    default:
      return walk.stop(ParseStatus::error);
  }
  return read_line(walk, part.text);
}

bool read_type(Walk& walk, char& type) {
  if (walk.at == walk.end) {
    return walk.stop(ParseStatus::incomplete);
  }
  type = *walk.at++;
  return true;
}

// The array at the end of an invalidation; null if everything is meant.
bool read_keys_header(Walk& walk, Part& part, std::size_t& keys) {
  std::size_t count = 0;
  if (!read_size(walk, kMaxKeys, count)) {
    return false;
  }
  part = {count == kNil ? Kind::nil : Kind::array, {}};
  keys = count == kNil ? 0 : count;
  return true;
}

bool read_parts(Walk& walk, EventFrame& frame) {
  if (!read_size(walk, EventFrame::kMaxParts, frame.count)) {
    return false;
  }
  if (frame.count == kNil) {
    frame.kind = Kind::nil;
    frame.count = 0;
    return true;
  }
  frame.kind = Kind::array;
  for (std::size_t i = 0; i < frame.count; i++) {
    char type = '\0';
    if (!read_type(walk, type)) {
      return false;
    }
    Part& part = frame.parts[i];
    if (type == '*' && i + 1 != frame.count) {
      return walk.stop(ParseStatus::error);
    }
    if (!(type == '*' ? read_keys_header(walk, part, frame.keys) : read_plain(walk, type, part))) {
      return false;
    }
  }
  return true;
}

// What every keyspace event begins with: "pmessage", our pattern, and then two bulks.
constexpr std::string_view kEventHead = "*4\r\n$8\r\npmessage\r\n$16\r\n__keyspace@*__:*\r\n$";
constexpr std::size_t kWordAt = 8;
constexpr std::size_t kPatternAt = 23;
static_assert(kEventHead.substr(kWordAt, 8) == "pmessage");
static_assert(kEventHead.substr(kPatternAt, 16) == "__keyspace@*__:*");

// The common case of scan_event. False: look at it in general, nothing is said about it yet.
bool scan_keyspace_event(std::string_view input, EventFrame& frame, EventScan& scan) {
  if (!input.starts_with(kEventHead)) {
    return false;
  }
  Walk walk{input.data() + kEventHead.size(), input.data() + input.size()};
  if (!read_bulk(walk, frame.parts[2]) || walk.at == walk.end || *walk.at++ != '$' ||
      !read_bulk(walk, frame.parts[3])) {
    return false;
  }
  frame.kind = Kind::array;
  frame.count = 4;
  frame.keys = 0;
  frame.parts[0] = {Kind::text, input.substr(kWordAt, 8)};
  frame.parts[1] = {Kind::text, input.substr(kPatternAt, 16)};
  scan = {ParseStatus::complete, static_cast<std::size_t>(walk.at - input.data())};
  return true;
}

}  // namespace

EventScan scan_event(std::string_view input, EventFrame& frame) {
  if (EventScan scan{}; scan_keyspace_event(input, frame, scan)) [[likely]] {
    return scan;
  }
  Walk walk{input.data(), input.data() + input.size()};
  char type = '\0';
  frame.keys = 0;
  if (read_type(walk, type)) {
    if (type == '*') {
      read_parts(walk, frame);
    } else {
      Part part;
      frame.count = 0;
      read_plain(walk, type, part);
      frame.kind = part.kind;
      frame.text = part.text;
    }
  }
  return {walk.status, static_cast<std::size_t>(walk.at - input.data())};
}

EventScan scan_key(std::string_view input, std::string_view& key) {
  Walk walk{input.data(), input.data() + input.size()};
  char type = '\0';
  Part part;
  if (read_type(walk, type)) {
    if (type != '$') {
      walk.stop(ParseStatus::error);
    } else if (read_bulk(walk, part) && part.kind != Kind::text) {
      walk.stop(ParseStatus::error);
    }
  }
  key = part.text;
  return {walk.status, static_cast<std::size_t>(walk.at - input.data())};
}

bool parse_keyspace_channel(std::string_view channel, std::uint32_t& db, std::string_view& key) {
  constexpr std::string_view kPrefix = "__keyspace@";
  constexpr std::string_view kMiddle = "__:";
  if (!channel.starts_with(kPrefix)) {
    return false;
  }
  channel.remove_prefix(kPrefix.size());
  const auto [end, error] = std::from_chars(channel.data(), channel.data() + channel.size(), db);
  if (error != std::errc{}) {
    return false;
  }
  channel.remove_prefix(static_cast<std::size_t>(end - channel.data()));
  if (!channel.starts_with(kMiddle)) {
    return false;
  }
  key = channel.substr(kMiddle.size());
  return true;
}

}  // namespace tiercache::l2
