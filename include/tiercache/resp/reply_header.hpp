// The first line of a reply that was gathered, where that is a number: an integer, or the length of
// a bulk string. For replies on the data path, which are looked at but not decoded. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tiercache::resp {

// A header has its end within so many bytes, or it is none of these.
inline constexpr std::size_t kLongestReplyHeader = 32;

// The number in ":<number>\r\n" or in "$<number>\r\n..."; -1 for a nil of either version.
struct ReplyHeader {
  bool ok = false;
  std::int64_t number = 0;
  std::size_t size = 0;  // with its CRLF
};
ReplyHeader read_reply_header(std::string_view reply);

}  // namespace tiercache::resp
