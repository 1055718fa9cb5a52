#include "reply_gather.hpp"

#include <charconv>
#include <optional>

namespace tiercache::warmup {

namespace {

constexpr std::size_t kLongestHeader = 32;

// The number in the first line, "<type>123\r\n".
std::optional<std::int64_t> number_of(std::string_view reply, char type) {
  const std::size_t end = reply.find("\r\n");
  if (end == std::string_view::npos || reply[0] != type) {
    return std::nullopt;
  }
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(reply.data() + 1, reply.data() + end, number);
  if (error != std::errc() || stop != reply.data() + end) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

void ReplyGather::add_pttl(std::string_view piece) {
  // An error may be longer; its beginning shows that it is one.
  pttl_.append(piece.substr(0, kLongestHeader));
  if (pttl_.size() > kLongestHeader) {
    pttl_.resize(kLongestHeader);
  }
}

void ReplyGather::add_get(std::string_view piece, std::size_t max_value) {
  if (too_large_) {
    return;
  }
  if (get_.size() + piece.size() > max_value + kLongestHeader) {
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

std::int64_t ReplyGather::pttl_ms() const {
  return number_of(pttl_, ':').value_or(-1);
}

}  // namespace tiercache::warmup
