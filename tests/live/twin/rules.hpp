// What of each command's reply must be equal on two servers that have had the same commands, and
// what cannot be: random choices, clocks, the order of hash tables, and what is known to be the
// proxy's own. Each exception is a row with its reason; a command without a row is compared byte
// for byte.
//
// Pure; constant data.
#pragma once

#include "client.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::twin {

using Words = std::vector<std::string>;

enum class Compare : std::uint8_t {
  exact,      // byte for byte
  unordered,  // the items of each list in any order
  pairs,      // the same, two items belong together
  masked,     // numbers are not compared
  shape,      // types and counts only; errors as they are
  seconds,    // numbers to within a minute
  millis,     // the same in milliseconds
  length,     // strings by their length
  any,        // that there is one reply
};

// Never sent. Full names in lower case here and below, "container|sub".
bool is_skipped(std::string_view command);

// Not sent between MULTI and EXEC.
bool is_not_in_multi(std::string_view command);

Compare compare_of(std::string_view command, const Words& words);

// Whether two replies that are not the same bytes are still equal.
bool equal(Compare compare, testing::Value expected, testing::Value actual);

}  // namespace tiercache::twin
