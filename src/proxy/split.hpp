// Over a Cluster: a command of several keys that have several slots, cut into one for each slot,
// and the replies put together again. Pure.
#pragma once

#include "tiercache/command/command.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::proxy {

// How the replies of the parts become one.
enum class Merge : std::uint8_t {
  sum,       // DEL, UNLINK, EXISTS, TOUCH: numbers
  elements,  // MGET: each element to its place
  ok,        // MSET
};

struct SplitPart {
  std::vector<std::string_view> args;    // a whole command; they point into the one that was cut
  std::vector<std::uint32_t> positions;  // of its keys, in the order of all keys
};

struct Split {
  Merge merge = Merge::sum;
  std::size_t keys = 0;
  std::vector<SplitPart> parts;  // by slot, in the order in which the slots are named first
};

// None: it is a command that cannot be cut, or a MSET without a value for each key. `name`: of the
// command table.
std::optional<Split> split(std::string_view name, command::Args args);

// `replies`: one for each part, in the same order. An error reply among them is the answer: the
// first one, whatever the other parts have done. So is a reply of another shape than it must have.
std::string merge(const Split& split, std::span<const std::string> replies);

}  // namespace tiercache::proxy
