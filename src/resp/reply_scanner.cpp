#include "tiercache/resp/reply_scanner.hpp"

#include "number.hpp"

#include <algorithm>
#include <cstring>

namespace tiercache::resp {
namespace {

constexpr std::uint64_t kMaxLine = std::uint64_t{1} << 62;  // so that sums with it cannot overflow
constexpr std::ptrdiff_t kSmallLine = 64;  // lines up to this are tried in one pass

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Integers as a server may print them: a sign and leading zeros are allowed, the range is not
// exceeded.
bool is_integer(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    text.remove_prefix(1);
  }
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) {
    return false;
  }
  text.remove_prefix(std::min(text.find_first_not_of('0'), text.size()));
  constexpr std::string_view kMax = "9223372036854775807";
  constexpr std::string_view kMin = "9223372036854775808";
  return text.size() < kMax.size() ||
         (text.size() == kMax.size() && text <= (negative ? kMin : kMax));
}

// The bytes of a double; what order they stand in is for the client to judge.
bool is_double_byte(char c) {
  return is_digit(c) || (std::strchr("-+.eEinfaINFA", c) != nullptr && c != '\0');
}

// Behind the CRLF at p; nullptr when it is not there.
inline const char* skip_line_end(const char* p, const char* end) {
  return end - p >= 2 && p[0] == '\r' && p[1] == '\n' ? p + 2 : nullptr;
}

}  // namespace

ReplyScanner::ReplyScanner(ScanLimits limits) : limits_(limits) {
  limits_.max_line = std::min(limits_.max_line, kMaxLine);
}

ReplyScanner::Step ReplyScanner::scan(std::string_view input) {
  const char* p = input.data();
  const char* const end = p + input.size();
  while (p != end) {
    Progress progress = Progress::going_on;
    switch (state_) {
      case State::type:
        if (!mid_frame_) {
          begin_frame();
        }
        if (first_byte_ == '\0' && *p != '|' && open_.empty()) {
          first_byte_ = *p;
        }
        if (const char* behind = skip_small_value(p, end); behind != nullptr) {
          p = behind;
          progress = Progress::value_ended;
        } else {
          begin_value(*p++);
        }
        break;
      case State::header:
        progress = read_header(p, end);
        break;
      case State::text:
        progress = type_ == ',' ? read_double(p, end) : read_text(p, end);
        break;
      case State::payload:
      case State::payload_cr:
      case State::payload_lf:
        progress = read_payload(p, end);
        break;
      case State::failed:
        return {ParseStatus::error, 0};
    }
    if (progress == Progress::failed || state_ == State::failed) {
      return {ParseStatus::error, 0};
    }
    if (progress == Progress::value_ended) {
      state_ = State::type;
      if (frame_ended_with_value()) {
        mid_frame_ = false;
        return {ParseStatus::complete, static_cast<std::size_t>(p - input.data())};
      }
    }
  }
  return {state_ == State::failed ? ParseStatus::error : ParseStatus::incomplete,
          state_ == State::failed ? 0 : input.size()};
}

void ReplyScanner::begin_frame() {
  mid_frame_ = true;
  first_byte_ = '\0';
  elements_ = 0;
}

// The hot path: a value without parts that has wholly arrived. Returns what is behind it, or
// nullptr for everything that needs a closer look; it changes nothing.
const char* ReplyScanner::skip_small_value(const char* p, const char* end) const {
  const char type = *p++;
  if (type == '$') {
    std::uint64_t length = 0;
    const char* const digits = p;
    // Nine digits cannot overflow; longer ones are rare enough for the closer look.
    while (p != end && p - digits < 9 && is_digit(*p)) {
      length = length * 10 + static_cast<std::uint64_t>(*p++ - '0');
    }
    if (p == digits) {
      return end - p >= 4 && p[0] == '-' && p[1] == '1' ? skip_line_end(p + 2, end) : nullptr;
    }
    if (*digits == '0' && p - digits > 1) {
      return nullptr;
    }
    p = skip_line_end(p, end);
    if (p == nullptr || length > limits_.max_bulk || static_cast<std::uint64_t>(end - p) < length) {
      return nullptr;
    }
    return skip_line_end(p + length, end);
  }
  if (type == '+' || type == '-') {
    const char* const last = p + std::min(end - p, kSmallLine);
    const char* const begin = p;
    while (p != last && *p != '\r') {
      ++p;
    }
    const bool fits = static_cast<std::uint64_t>(p - begin) <= limits_.max_line;
    return fits ? skip_line_end(p, end) : nullptr;
  }
  if (type == ':') {
    const char* const digits = p != end && *p == '-' ? p + 1 : p;
    p = digits;
    while (p != end && p - digits < 18 && is_digit(*p)) {
      ++p;
    }
    return p != digits ? skip_line_end(p, end) : nullptr;
  }
  return type == '_' ? skip_line_end(p, end) : nullptr;
}

void ReplyScanner::begin_value(char type) {
  type_ = type;
  switch (type) {
    case '+':
    case '-':
    case ',':
    case '(':
      state_ = State::text;
      text_size_ = 0;
      saw_cr_ = false;
      return;
    case ':':
    case '#':
    case '_':
    case '$':
    case '!':
    case '=':
    case '*':
    case '~':
    case '%':
    case '>':
    case '|':
      state_ = State::header;
      header_size_ = 0;
      return;
    default:
      fail("unknown reply type");
  }
}

ReplyScanner::Progress ReplyScanner::read_header(const char*& p, const char* end) {
  while (p != end) {
    const char c = *p++;
    if (c == '\n') {
      if (header_size_ == 0 || header_[header_size_ - 1u] != '\r') {
        return fail("a header line does not end in CRLF");
      }
      return header_done(std::string_view(header_.data(), header_size_ - 1u));
    }
    if (header_size_ == header_.size()) {
      return fail("a header line is too long");
    }
    header_[header_size_++] = c;
  }
  return Progress::going_on;
}

ReplyScanner::Progress ReplyScanner::header_done(std::string_view line) {
  switch (type_) {
    case ':':
      return is_integer(line) ? Progress::value_ended : fail("invalid integer");
    case '#':
      return line == "t" || line == "f" ? Progress::value_ended : fail("invalid boolean");
    case '_':
      return line.empty() ? Progress::value_ended : fail("invalid null");
    case '$':
    case '!':
    case '=':
      return length_done(line);
    default:
      return count_done(line);
  }
}

ReplyScanner::Progress ReplyScanner::length_done(std::string_view line) {
  if (type_ == '$' && line == "-1") {
    return Progress::value_ended;
  }
  const auto length = parse_canonical_integer(line);
  const std::int64_t least = type_ == '=' ? 4 : 0;  // a verbatim string begins with "txt:"
  if (!length || *length < least) {
    return fail("invalid bulk length");
  }
  payload_left_ = static_cast<std::uint64_t>(*length);
  if (payload_left_ > limits_.max_bulk) {
    return fail("bulk length over the limit");
  }
  state_ = payload_left_ > 0 ? State::payload : State::payload_cr;
  return Progress::going_on;
}

ReplyScanner::Progress ReplyScanner::count_done(std::string_view line) {
  if (type_ == '*' && line == "-1") {
    return Progress::value_ended;
  }
  const auto parsed = parse_canonical_integer(line);
  if (!parsed || *parsed < 0) {
    return fail("invalid element count");
  }
  const auto count = static_cast<std::uint64_t>(*parsed);
  if (type_ != '%' && type_ != '|') {
    return open_aggregate(count);
  }
  // The count was signed, so twice as many and one more cannot overflow.
  if (type_ == '%') {
    return open_aggregate(count * 2);
  }
  // Counted, so that a frame cannot be attributes without end.
  if (elements_ >= limits_.max_elements) {
    return fail("too many elements");
  }
  ++elements_;
  if (!open_.empty()) {
    // Inside an aggregate, an attribute and its reply are together one element of it.
    return open_aggregate(count * 2 + 1);
  }
  if (count == 0) {
    state_ = State::type;
    return Progress::going_on;
  }
  in_attribute_ = true;
  return open_aggregate(count * 2);
}

ReplyScanner::Progress ReplyScanner::open_aggregate(std::uint64_t count) {
  if (count > limits_.max_elements - elements_) {
    return fail("too many elements");
  }
  elements_ += count;
  if (count == 0) {
    return Progress::value_ended;
  }
  if (open_.size() >= limits_.max_depth) {
    return fail("nested too deeply");
  }
  open_.push_back(count);
  state_ = State::type;
  return Progress::going_on;
}

ReplyScanner::Progress ReplyScanner::read_text(const char*& p, const char* end) {
  while (p != end) {
    const char* const begin = p;
    const auto* const newline =
        static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(end - p)));
    p = newline != nullptr ? newline + 1 : end;
    text_size_ += static_cast<std::uint64_t>(p - begin);
    const bool cr_before = newline != nullptr && (newline != begin ? newline[-1] == '\r' : saw_cr_);
    // While the line has no end yet, at least one more byte is to come, and two of them are CRLF.
    if (text_size_ >= limits_.max_line + (cr_before ? 3 : 2)) {
      return fail("a line is too long");
    }
    if (cr_before) {
      return Progress::value_ended;
    }
    saw_cr_ = p[-1] == '\r';
  }
  return Progress::going_on;
}

ReplyScanner::Progress ReplyScanner::read_double(const char*& p, const char* end) {
  while (p != end) {
    const char c = *p++;
    if (saw_cr_) {
      return c == '\n' && text_size_ > 0 ? Progress::value_ended : fail("invalid double");
    }
    if (c == '\r') {
      saw_cr_ = true;
    } else if (!is_double_byte(c)) {
      return fail("invalid double");
    } else if (++text_size_ > limits_.max_line) {
      return fail("a line is too long");
    }
  }
  return Progress::going_on;
}

// REQUIRES: p != end.
ReplyScanner::Progress ReplyScanner::read_payload(const char*& p, const char* end) {
  if (state_ == State::payload) {
    const auto available = static_cast<std::uint64_t>(end - p);
    const std::uint64_t taken = std::min(available, payload_left_);
    p += taken;
    payload_left_ -= taken;
    if (payload_left_ == 0) {
      state_ = State::payload_cr;
    }
    return Progress::going_on;
  }
  const char c = *p++;
  if (c != (state_ == State::payload_cr ? '\r' : '\n')) {
    return fail("a bulk string does not end in CRLF");
  }
  if (state_ == State::payload_lf) {
    return Progress::value_ended;
  }
  state_ = State::payload_lf;
  return Progress::going_on;
}

// Closes every aggregate whose last value this was.
bool ReplyScanner::frame_ended_with_value() {
  while (!open_.empty()) {
    if (--open_.back() > 0) {
      return false;
    }
    open_.pop_back();
    if (open_.empty() && in_attribute_) {
      in_attribute_ = false;
      return false;
    }
  }
  return true;
}

ReplyScanner::Progress ReplyScanner::fail(std::string_view text) {
  state_ = State::failed;
  error_ = text;
  return Progress::failed;
}

}  // namespace tiercache::resp
