#include "exec_patch.hpp"

#include "tiercache/resp/reply_scanner.hpp"

namespace tiercache::proxy {

std::string patch_exec(std::string_view reply, std::span<const LocalInExec> locals) {
  const std::size_t header = reply.find("\r\n");
  if (!reply.starts_with('*') || header == reply.npos) {
    return std::string(reply);
  }
  std::string out(reply.substr(0, header + 2));
  std::string_view rest = reply.substr(header + 2);
  resp::ReplyScanner scanner;
  std::size_t next = 0;
  for (std::size_t index = 0; !rest.empty() && next < locals.size(); index++) {
    const auto [status, size] = scanner.scan(rest);
    if (status != resp::ParseStatus::complete) {
      return std::string(reply);
    }
    const bool ours = locals[next].index == index;
    out.append(ours ? std::string_view(locals[next].reply) : rest.substr(0, size));
    next += ours ? 1 : 0;
    rest.remove_prefix(size);
  }
  return next == locals.size() ? out.append(rest) : std::string(reply);
}

}  // namespace tiercache::proxy
