#include "tiercache/l1/reply.hpp"

#include "tiercache/l1/frame.hpp"

#include <array>
#include <charconv>
#include <cstring>

namespace tiercache::l1 {

namespace {

constexpr std::string_view kLineEnd = "\r\n";
// '$', at most 20 digits, CRLF.
constexpr std::size_t kLongestHead = 23;
static_assert(kMostFraming == kLongestHead + kLineEnd.size());
// Up to here a frame is put together before it is appended: a second copy costs less than two more
// appends.
constexpr std::size_t kSmall = 232;

// Returns its end.
inline char* write_head(char* out, std::size_t size) noexcept {
  *out++ = '$';
  if (size < 100) {
    if (size >= 10) {
      *out++ = static_cast<char>('0' + size / 10);
    }
    *out++ = static_cast<char>('0' + size % 10);
  } else {
    out = std::to_chars(out, out + 20, size).ptr;
  }
  *out++ = '\r';
  *out++ = '\n';
  return out;
}

}  // namespace

Reply Reply::of(std::string_view frame) noexcept {
  const Reply whole(frame, Framing::as_is);
  if (!frame.starts_with('$')) {
    return whole;
  }
  std::size_t size = 0;
  std::size_t head = 1;
  for (; head < frame.size() && frame[head] >= '0' && frame[head] <= '9'; ++head) {
    size = size * 10 + static_cast<std::size_t>(frame[head] - '0');
    if (size > frame.size()) {
      return whole;
    }
  }
  // "$05" means the same but is written otherwise, and is not ours to change.
  const bool plain = head > 1 && (frame[1] != '0' || head == 2);
  head += kLineEnd.size();
  if (!plain || frame.size() != head + size + kLineEnd.size() ||
      frame.substr(head - kLineEnd.size(), kLineEnd.size()) != kLineEnd ||
      !frame.ends_with(kLineEnd)) {
    return whole;
  }
  return {frame.substr(head, size), Framing::bulk};
}

std::size_t Reply::size() const noexcept {
  std::size_t size = body_.size();
  if (!bulk()) {
    return size;
  }
  size += 1 + 2 * kLineEnd.size();
  for (std::size_t left = body_.size(); left >= 10; left /= 10) {
    ++size;
  }
  return size + 1;
}

char* write_frame(char* out, const Reply& reply) noexcept {
  const std::string_view body = reply.body();
  if (reply.bulk()) {
    out = write_head(out, body.size());
  }
  std::memcpy(out, body.data(), body.size());
  out += body.size();
  if (reply.bulk()) {
    std::memcpy(out, kLineEnd.data(), kLineEnd.size());
    out += kLineEnd.size();
  }
  return out;
}

void Reply::append_to(std::string& out) const {
  if (!bulk()) {
    out.append(body_);
    return;
  }
  std::array<char, kMostFraming + kSmall> frame;
  if (body_.size() <= kSmall) {
    out.append(frame.data(),
               static_cast<std::size_t>(write_frame(frame.data(), *this) - frame.data()));
    return;
  }
  const char* end = write_head(frame.data(), body_.size());
  out.append(frame.data(), static_cast<std::size_t>(end - frame.data()));
  out.append(body_);
  out.append(kLineEnd);
}

void Reply::append_head_to(std::string& out) const {
  if (bulk()) {
    std::array<char, kLongestHead> head;
    out.append(head.data(), write_head(head.data(), body_.size()));
  }
}

std::string_view Reply::foot() const noexcept {
  return bulk() ? kLineEnd : std::string_view();
}

}  // namespace tiercache::l1
