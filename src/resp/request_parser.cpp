#include "tiercache/resp/request_parser.hpp"

#include "inline_split.hpp"
#include "number.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/resp/encoder.hpp"
#include "tiercache/resp/plain_get.hpp"

#include <algorithm>

namespace tiercache::resp {
namespace {

constexpr std::size_t kSmallArgs = 16;    // arrays up to this are tried in one pass
constexpr std::size_t kKeptArgs = 1024;   // tables beyond this are freed after use
constexpr std::size_t kKeptBytes = 4096;  // likewise for the unquoted bytes
constexpr std::size_t kWantedFloor = std::size_t{64} * 1024;
constexpr std::size_t kShortestBulk = 6;  // "$0\r\n\r\n"
constexpr std::size_t kNotFound = std::string_view::npos;

constexpr std::int64_t kUnauthenticatedArgs = 10;
constexpr std::int64_t kUnauthenticatedBulk = 16384;

// Reads a header of up to five digits, "*2\r\n" or "$16\r\n", and advances p behind it. False when
// it is cut off, longer, or in any way unusual: the general path then decides.
inline bool read_short_header(const char*& p, const char* end, char type, std::size_t& value) {
  if (end - p < 4 || p[0] != type) {
    return false;
  }
  const auto digit = [](char c) {
    return static_cast<std::size_t>(c) - std::size_t{'0'};
  };
  std::size_t number = digit(p[1]);
  if (number > 9) {
    return false;
  }
  const char* q = p + 2;
  if (number != 0) {
    const char* last = q + std::min<std::ptrdiff_t>(4, end - q - 2);
    while (q < last && digit(*q) <= 9) {
      number = number * 10 + digit(*q++);
    }
  }
  if (q[0] != '\r' || q[1] != '\n') {
    return false;
  }
  p = q + 2;
  value = number;
  return true;
}

}  // namespace

void append_relay(std::string& out, const Request& request) {
  if (request.form == RequestForm::canonical) {
    out.append(request.raw);
  } else {
    append_request(out, request.args);
  }
}

RequestParser::RequestParser(RequestLimits limits) : limits_(limits) {
}

ParseStatus RequestParser::parse(std::string_view input) {
  if (step_ == Step::start) {
    if (parse_small_array(input)) {
      return ParseStatus::complete;
    }
    consumed_ = 0;
    if (input.empty()) {
      return need(input, 1);
    }
    begin(input.front());
  }
  return resume(input);
}

bool RequestParser::may_glance() const noexcept {
  return step_ == Step::start && peer_ == Peer::trusted && limits_.max_args >= 2 &&
         limits_.max_bulk >= kLongestPlainKey && limits_.max_request >= kLongestPlainGet;
}

// The hot path: the whole request has arrived and nothing about it is unusual. Leaves no trace
// otherwise.
bool RequestParser::parse_small_array(std::string_view input) {
  const char* p = input.data();
  const char* const end = p + input.size();
  std::size_t count = 0;
  if (!read_short_header(p, end, '*', count) || count == 0 || count > kSmallArgs ||
      count > limits_.max_args || peer_ != Peer::trusted) {
    return false;
  }
  if (args_.size() < kSmallArgs || args_.size() > kKeptArgs) [[unlikely]] {
    release_excess();
    args_.resize(kSmallArgs);
  }
  std::string_view* arg = args_.data();
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t length = 0;
    if (!read_short_header(p, end, '$', length) || length > limits_.max_bulk) {
      return false;
    }
    if (static_cast<std::size_t>(end - p) < length + 2 || p[length] != '\r' ||
        p[length + 1] != '\n') {
      return false;
    }
    *arg++ = std::string_view(p, length);
    p += length + 2;
  }
  const auto size = static_cast<std::size_t>(p - input.data());
  if (size > limits_.max_request) {
    return false;
  }
  request_.args = std::span<const std::string_view>(args_.data(), count);
  request_.raw = input.substr(0, size);
  request_.form = RequestForm::canonical;
  consumed_ = size;
  return true;
}

void RequestParser::begin(char first_byte) {
  release_excess();
  step_ = first_byte == '*' ? Step::count : Step::line;
  sloppy_ = false;
  pos_ = 0;
  scanned_ = 0;
  seen_ = 0;
}

// Every step either moves pos_ on and chooses the next step (Step::start after the last argument),
// or answers why it cannot.
ParseStatus RequestParser::resume(std::string_view input) {
  TC_CHECK(step_ == Step::failed || input.size() >= seen_);
  seen_ = input.size();
  ParseStatus status = ParseStatus::complete;
  do {
    switch (step_) {
      case Step::line:
        status = parse_line(input);
        break;
      case Step::count:
        status = parse_count(input);
        break;
      case Step::bulk_header:
        status = parse_bulk_header(input);
        break;
      case Step::bulk_body:
        status = parse_bulk_body(input);
        break;
      case Step::start:
      case Step::failed:
        return ParseStatus::error;
    }
  } while (status == ParseStatus::complete && step_ != Step::start);
  return status;
}

ParseStatus RequestParser::parse_line(std::string_view input) {
  const std::size_t line_end = find_in_line(input, '\n');
  if (line_end == kNotFound) {
    return line_missing(input, "Protocol error: too big inline request");
  }
  pos_ = line_end + 1;
  if (pos_ > limits_.max_request) {
    return fail("Protocol error: too big request");
  }
  // The CR of a CRLF stays: it is one more blank.
  const auto count = split_inline(input.substr(0, line_end), args_, unquoted_);
  if (!count) {
    return fail("Protocol error: unbalanced quotes in request");
  }
  if (*count > limits_.max_args) {
    return fail("Protocol error: invalid multibulk length");
  }
  return complete(input, *count, RequestForm::inline_line);
}

ParseStatus RequestParser::parse_count(std::string_view input) {
  const std::size_t line_end = find_in_line(input, '\r');
  if (line_end == kNotFound) {
    return line_missing(input, "Protocol error: too big mbulk count string");
  }
  if (input.size() - line_end < 2) {
    return need(input, 1);
  }
  const auto count = parse_canonical_integer(input.substr(1, line_end - 1));
  if (!count || (*count > 0 && static_cast<std::uint64_t>(*count) > limits_.max_args)) {
    return fail("Protocol error: invalid multibulk length");
  }
  if (*count > kUnauthenticatedArgs && peer_ == Peer::unauthenticated) {
    return fail("Protocol error: unauthenticated multibulk length");
  }
  sloppy_ = input[line_end + 1] != '\n';
  pos_ = scanned_ = line_end + 2;
  if (*count <= 0) {
    return complete(input, 0, sloppy_ ? RequestForm::sloppy : RequestForm::canonical);
  }
  args_left_ = static_cast<std::size_t>(*count);
  step_ = Step::bulk_header;
  return ParseStatus::complete;
}

ParseStatus RequestParser::parse_bulk_header(std::string_view input) {
  const std::size_t line_end = find_in_line(input, '\r');
  if (line_end == kNotFound) {
    return line_missing(input, "Protocol error: too big bulk count string");
  }
  if (input.size() - line_end < 2) {
    return need(input, 1);
  }
  if (input[pos_] != '$') {
    // A line end in the error would break the reply's own frame.
    const char got = input[pos_] == '\r' || input[pos_] == '\n' ? ' ' : input[pos_];
    return fail(std::string("Protocol error: expected '$', got '") + got + "'");
  }
  const auto length = parse_canonical_integer(input.substr(pos_ + 1, line_end - pos_ - 1));
  if (!length || *length < 0 || static_cast<std::uint64_t>(*length) > limits_.max_bulk) {
    return fail("Protocol error: invalid bulk length");
  }
  if (*length > kUnauthenticatedBulk && peer_ == Peer::unauthenticated) {
    return fail("Protocol error: unauthenticated bulk length");
  }
  sloppy_ |= input[line_end + 1] != '\n';
  bulk_length_ = static_cast<std::size_t>(*length);
  pos_ = line_end + 2;
  const std::size_t room = limits_.max_request - std::min(pos_, limits_.max_request);
  if (room < 2 || room - 2 < bulk_length_) {
    return fail("Protocol error: too big request");
  }
  step_ = Step::bulk_body;
  return ParseStatus::complete;
}

ParseStatus RequestParser::parse_bulk_body(std::string_view input) {
  const std::size_t have = input.size() - pos_;
  if (have < bulk_length_ + 2) {
    return need(input,
                bulk_length_ + 2 - have + std::min(args_left_ - 1, kWantedFloor) * kShortestBulk);
  }
  slots_.push_back({pos_, bulk_length_});
  pos_ += bulk_length_;
  sloppy_ |= input[pos_] != '\r' || input[pos_ + 1] != '\n';
  pos_ += 2;
  scanned_ = pos_;
  step_ = Step::bulk_header;
  if (--args_left_ > 0) {
    return ParseStatus::complete;
  }
  if (args_.size() < slots_.size()) {
    args_.resize(slots_.size());
  }
  std::transform(slots_.begin(), slots_.end(), args_.begin(),
                 [&](const Slot& slot) { return input.substr(slot.offset, slot.length); });
  return complete(input, slots_.size(), sloppy_ ? RequestForm::sloppy : RequestForm::canonical);
}

// Where the line at pos_ ends. Looks at no byte twice, and not beyond max_inline, so that the
// answer does not depend on how the bytes were cut. A NUL hides what follows it.
std::size_t RequestParser::find_in_line(std::string_view input, char terminator) {
  const std::size_t available = input.size() - pos_;
  const std::size_t limit =
      available > limits_.max_inline ? pos_ + limits_.max_inline + 1 : input.size();
  for (; scanned_ < limit; ++scanned_) {
    const char c = input[scanned_];
    if (c == terminator) {
      return scanned_;
    }
    if (c == '\0') {
      break;
    }
  }
  return kNotFound;
}

ParseStatus RequestParser::line_missing(std::string_view input, std::string_view too_big) {
  if (input.size() - pos_ > limits_.max_inline) {
    return fail(too_big);
  }
  return need(input, 1);
}

ParseStatus RequestParser::need(std::string_view input, std::size_t missing) {
  wanted_ = std::min(missing, std::max(kWantedFloor, input.size()));
  return ParseStatus::incomplete;
}

ParseStatus RequestParser::complete(std::string_view input, std::size_t args, RequestForm form) {
  request_.args = std::span<const std::string_view>(args_.data(), args);
  request_.raw = input.substr(0, pos_);
  request_.form = form;
  consumed_ = pos_;
  step_ = Step::start;
  slots_.clear();
  return ParseStatus::complete;
}

ParseStatus RequestParser::fail(std::string_view text) {
  step_ = Step::failed;
  error_ = text;
  slots_ = {};
  return ParseStatus::error;
}

// One huge request must not leave its tables with an idle session for ever.
void RequestParser::release_excess() {
  if (args_.size() > kKeptArgs) {
    args_ = {};
  }
  if (slots_.capacity() > kKeptArgs) {
    slots_ = {};
  }
  if (unquoted_.capacity() > kKeptBytes) {
    unquoted_ = {};
  }
}

}  // namespace tiercache::resp
