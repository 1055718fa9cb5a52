// One invalidation as handlers are told of it, and its JSON. Pure.
//
//   {"id":1764453600000001,"at":1764453600123,"kind":"command","scope":"key","value":"user:7",
//    "db":0,"soft":false}
//
// `id` grows, over restarts too, and what is told twice has the same. `at` is in milliseconds since
// 1970. A tag has a `name` besides its value. A value that is not UTF-8 stands in `value_base64`
// instead. Where Redis does not say in which db a key has changed, `db` is null.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace tiercache::invalidation {

struct Notice {
  // What has invalidated. `lost`: others were, of which the receiver will not hear; their scope is
  // `all`, their id the last one's.
  enum class Kind : std::uint8_t { command, notify, event, lost };
  enum class Scope : std::uint8_t { key, prefix, space, tag, all };

  Kind kind = Kind::command;
  Scope scope = Scope::key;
  std::string name{};
  std::string value{};
  std::optional<std::uint32_t> db{};
  bool soft = false;
  // Whoever tells sets these.
  std::uint64_t id = 0;
  std::int64_t at = 0;
  std::uint64_t lost = 0;  // how many
};

std::string to_json(const Notice& notice);
// An array.
std::string to_json(std::span<const Notice> notices);

}  // namespace tiercache::invalidation
