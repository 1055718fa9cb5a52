#include "tiercache/resp/reply_header.hpp"

#include <charconv>

namespace tiercache::resp {

ReplyHeader read_reply_header(std::string_view reply) {
  ReplyHeader header;
  if (reply.starts_with('_')) {
    return {true, -1, reply.size()};
  }
  const std::size_t end = reply.find("\r\n");
  if (reply.empty() || (reply[0] != ':' && reply[0] != '$') || end == std::string_view::npos) {
    return header;
  }
  const auto [stop, error] = std::from_chars(reply.data() + 1, reply.data() + end, header.number);
  header.ok = error == std::errc() && stop == reply.data() + end;
  header.size = end + 2;
  return header;
}

}  // namespace tiercache::resp
