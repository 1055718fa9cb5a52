#include "tiercache/l2/scan.hpp"

#include <utility>

namespace tiercache::l2 {

Result<Scanned> read_scan(Result<Reply> reply) {
  using Kind = Reply::Kind;
  if (!reply) {
    return Error{ErrorCode::unavailable, reply.error().detail};
  }
  if (reply->is_error()) {
    return Error{ErrorCode::refused, reply->text};
  }
  const Error senseless{ErrorCode::invalid, "Redis's answer to SCAN makes no sense"};
  if (reply->kind != Kind::array || reply->items.size() != 2 ||
      reply->items[0].kind != Kind::text || reply->items[1].kind != Kind::array) {
    return senseless;
  }
  Scanned scanned;
  scanned.cursor = std::move(reply->items[0].text);
  for (Reply& key : reply->items[1].items) {
    if (key.kind != Kind::text) {
      return senseless;
    }
    scanned.keys.push_back(std::move(key.text));
  }
  return scanned;
}

}  // namespace tiercache::l2
