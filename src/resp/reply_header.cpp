#include "tiercache/resp/reply_header.hpp"

#include <charconv>

namespace tiercache::resp {

ReplyHeader read_reply_header(std::string_view reply) {
  ReplyHeader header;
  if (reply.starts_with('_')) {
    return {true, -1, reply.size()};
  }
  if (reply.empty() || (reply[0] != ':' && reply[0] != '$')) {
    return header;
  }
  std::int64_t number = 0;
  const char* const end = reply.data() + reply.size();
  const auto [stop, error] = std::from_chars(reply.data() + 1, end, number);
  if (error == std::errc() && end - stop >= 2 && stop[0] == '\r' && stop[1] == '\n') {
    header = {true, number, static_cast<std::size_t>(stop + 2 - reply.data())};
  }
  return header;
}

}  // namespace tiercache::resp
