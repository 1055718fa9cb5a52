#include "reply_gather.hpp"

#include "tiercache/resp/reply_header.hpp"

#include <optional>

namespace tiercache::warmup {

namespace {

using resp::kLongestReplyHeader;

// The number in the first line, "<type>123\r\n".
std::optional<std::int64_t> number_of(std::string_view reply, char type) {
  const resp::ReplyHeader header = resp::read_reply_header(reply);
  return header.ok && reply.front() == type ? std::optional(header.number) : std::nullopt;
}

}  // namespace

void ReplyGather::add_pttl(std::string_view piece) {
  // An error may be longer; its beginning shows that it is one.
  pttl_.append(piece.substr(0, kLongestReplyHeader));
  if (pttl_.size() > kLongestReplyHeader) {
    pttl_.resize(kLongestReplyHeader);
  }
}

void ReplyGather::add_get(std::string_view piece, std::size_t max_value) {
  if (too_large_) {
    return;
  }
  if (get_.size() + piece.size() > max_value + kLongestReplyHeader) {
    too_large_ = true;
    get_ = {};
    return;
  }
  get_.append(piece);
  const auto size = number_of(get_, '$');
  too_large_ = size && *size >= 0 && static_cast<std::uint64_t>(*size) > max_value;
}

bool ReplyGather::usable() const {
  return !too_large_ && number_of(get_, '$') && number_of(pttl_, ':');
}

bool ReplyGather::missing() const {
  return !too_large_ && get_ == "$-1\r\n";
}

bool ReplyGather::other_type() const {
  return get_.starts_with("-WRONGTYPE");
}

std::int64_t ReplyGather::pttl_ms() const {
  return number_of(pttl_, ':').value_or(-1);
}

}  // namespace tiercache::warmup
