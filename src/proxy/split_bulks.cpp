#include "split_bulks.hpp"

#include "tiercache/resp/reply_header.hpp"

namespace tiercache::proxy {

std::vector<std::string_view> split_bulks(std::string_view reply, std::size_t count) {
  std::vector<std::string_view> elements;
  if (!reply.starts_with('*')) {
    return elements;
  }
  std::size_t at = reply.find("\r\n");
  if (at == std::string_view::npos) {
    return elements;
  }
  at += 2;
  elements.reserve(count);
  while (at < reply.size() && elements.size() < count) {
    const std::string_view rest = reply.substr(at);
    std::size_t size = 3;  // "_\r\n"
    if (!rest.starts_with('_')) {
      const resp::ReplyHeader header = resp::read_reply_header(rest);
      if (!header.ok || rest[0] != '$') {
        return {};
      }
      size = header.size;
      if (header.number >= 0) {
        size += static_cast<std::size_t>(header.number) + 2;
      }
    }
    if (size > rest.size()) {
      return {};
    }
    elements.push_back(rest.substr(0, size));
    at += size;
  }
  if (elements.size() != count || at != reply.size()) {
    return {};
  }
  return elements;
}

}  // namespace tiercache::proxy
