// What reads of a string say, made from a value that was loaded. Pure.
#pragma once

#include "tiercache/command/command.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace tiercache::proxy {

// Whether a source is asked where this read finds the key missing in Redis.
bool loads_value(std::string_view command);
// Whether the reply to a missing key is also that to an empty value, or to a part of one.
bool same_if_empty(std::string_view command);
// Whether Redis's reply is one to a missing key. `gone`: the key was not there before or behind it;
// that alone tells where same_if_empty().
bool lacks_value(std::string_view command, std::string_view reply, bool gone);

struct LoadShape {
  enum class Kind : std::uint8_t { value, length, exists, range };
  Kind kind = Kind::value;
  std::int64_t first = 0;  // range: as the client has them
  std::int64_t last = 0;
};
// REQUIRES: loads_value() of its name, and a request that Redis has not refused.
LoadShape shape_of(command::Args args);

// The reply, from that of GET.
std::string shaped(std::string_view value, const LoadShape& shape);
// Where there is no value. Empty: nil.
std::string_view shaped_absent(const LoadShape& shape);

}  // namespace tiercache::proxy
