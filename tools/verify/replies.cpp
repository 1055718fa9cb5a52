#include "replies.hpp"

#include <charconv>
#include <cstring>

namespace tiercache::verify {
namespace {

using Status = ReplyParser::Status;

// The line that starts at `at`, without its end; moves `at` behind it.
Status take_line(std::string_view in, std::size_t& at, std::string_view& line) noexcept {
  const void* const found = std::memchr(in.data() + at, '\r', in.size() - at);
  if (found == nullptr) {
    return in.size() - at > 4096 ? Status::broken : Status::partial;
  }
  const auto end = static_cast<std::size_t>(static_cast<const char*>(found) - in.data());
  if (end + 1 >= in.size()) {
    return Status::partial;
  }
  if (in[end + 1] != '\n') {
    return Status::broken;
  }
  line = in.substr(at, end - at);
  at = end + 2;
  return Status::whole;
}

bool to_number(std::string_view text, std::int64_t& out) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

Status take_bulk(std::string_view in, std::size_t& at, std::int64_t size, Reply& out) noexcept {
  if (size < 0) {
    out.kind = Reply::Kind::nil;
    return Status::whole;
  }
  if (size > ReplyParser::kMaxBulk) {
    return Status::broken;
  }
  const auto length = static_cast<std::size_t>(size);
  if (in.size() - at < length + 2) {
    return Status::partial;
  }
  if (in[at + length] != '\r' || in[at + length + 1] != '\n') {
    return Status::broken;
  }
  out.text = in.substr(at, length);
  at += length + 2;
  return Status::whole;
}

}  // namespace

Status ReplyParser::parse_one(std::string_view in, std::size_t& at, Reply& out,
                              std::int64_t& children) noexcept {
  if (at >= in.size()) {
    return Status::partial;
  }
  const char type = in[at++];
  std::string_view line;
  if (const Status status = take_line(in, at, line); status != Status::whole) {
    return status;
  }
  out = Reply{};
  out.text = line;
  children = -1;
  switch (type) {
    case '+':
      out.kind = Reply::Kind::simple;
      return Status::whole;
    case '-':
      out.kind = Reply::Kind::error;
      return Status::whole;
    case ',':
    case '(':
      out.kind = Reply::Kind::real;
      return Status::whole;
    case '#':
    case '_':
      out.kind = type == '_' ? Reply::Kind::nil : Reply::Kind::integer;
      out.integer = line == "t" ? 1 : 0;
      return Status::whole;
    case ':':
      out.kind = Reply::Kind::integer;
      return to_number(line, out.integer) ? Status::whole : Status::broken;
    default:
      break;
  }
  std::int64_t size = 0;
  if (!to_number(line, size) || size < -1) {
    return Status::broken;
  }
  switch (type) {
    case '$':
    case '=':
      out.kind = Reply::Kind::bulk;
      return take_bulk(in, at, size, out);
    case '*':
    case '~':
    case '%':
    case '>':
      out.kind =
          size < 0 ? Reply::Kind::nil : (type == '>' ? Reply::Kind::push : Reply::Kind::list);
      children = size > 0 && type == '%' ? 2 * size : size;
      return Status::whole;
    default:
      return Status::broken;
  }
}

Status ReplyParser::parse_children(std::string_view in, std::size_t& at, std::int64_t count,
                                   int depth) noexcept {
  if (depth > kMaxDepth) {
    return Status::broken;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    if (count_ == kMaxItems) {
      return Status::broken;
    }
    std::int64_t children = -1;
    Status status = parse_one(in, at, items_[count_], children);
    if (status == Status::whole && children >= 0) {
      status = parse_children(in, at, children, depth + 1);
    } else if (status == Status::whole) {
      ++count_;
    }
    if (status != Status::whole) {
      return status;
    }
  }
  return Status::whole;
}

Status ReplyParser::parse(std::string_view in, std::size_t& used, Reply& out) noexcept {
  std::size_t at = 0;
  std::int64_t children = -1;
  count_ = 0;
  Status status = parse_one(in, at, out, children);
  if (status == Status::whole && children >= 0) {
    status = parse_children(in, at, children, 1);
    out.text = {};
    out.items = std::span(items_.data(), count_);
  }
  if (status == Status::whole) {
    used = at;
  }
  return status;
}

}  // namespace tiercache::verify
