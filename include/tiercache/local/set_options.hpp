// The options of SET and GETEX, and times of expiry, as Redis reads them. Pure.
#pragma once

#include "tiercache/command/command.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tiercache::local {

struct SetOptions {
  enum class For : std::uint8_t { set, getex };
  enum class Unit : std::uint8_t { none, ex, px, exat, pxat };

  bool nx = false;
  bool xx = false;
  bool get = false;
  bool keep_ttl = false;
  bool persist = false;
  Unit unit = Unit::none;
  std::string_view time;
};
// From args[from] on; nothing: a syntax error.
std::optional<SetOptions> read_set_options(command::Args args, std::size_t from,
                                           SetOptions::For whom);

// When the key ends, in milliseconds since 1970; nothing: "invalid expire time". What lies beyond
// the year 2262 is invalid too.
std::optional<std::int64_t> end_time(std::int64_t value, SetOptions::Unit unit,
                                     std::chrono::milliseconds now) noexcept;
inline constexpr std::int64_t kLastEnd = 9'223'372'036'000;

struct ExpireOptions {
  bool nx = false;
  bool xx = false;
  bool gt = false;
  bool lt = false;
  std::string_view unknown{};  // the first that is none of these
  bool clash = false;          // NX with another
  bool clash_gt_lt = false;
};
ExpireOptions read_expire_options(command::Args args);

}  // namespace tiercache::local
