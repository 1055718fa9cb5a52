// Over a Cluster: a command of several keys that have several slots, cut into one for each slot;
// one that concerns all nodes, sent to each; and the replies put together again. Pure.
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
  sum,       // DEL, UNLINK, EXISTS, TOUCH, DBSIZE: numbers
  elements,  // MGET: each element to its place
  same,      // MSET, FLUSHALL, SCRIPT LOAD: all say the same
  join,      // KEYS: arrays, one behind the other
  any,       // RANDOMKEY: one that is not nil, if there is one
  scan,      // SCAN: one part, whose cursor becomes ours
};

struct SplitPart {
  std::vector<std::string_view> args;      // a whole command; they point into the one that was cut
  std::vector<std::uint32_t> positions{};  // of its keys, in the order of all keys
};

struct Split {
  Merge merge = Merge::sum;
  std::size_t keys = 0;
  std::vector<SplitPart> parts;  // by slot, in the order in which the slots are named first
  std::uint64_t random = 0;      // any: where to begin
  std::uint8_t node = 0;         // scan: who is asked
  std::uint8_t next_node = 0;    // scan: who comes then; 0: nobody
};

// None: it is a command that cannot be cut, or a MSET without a value for each key. `name`: of the
// command table.
std::optional<Split> split(std::string_view name, command::Args args);

// How the replies to a command that concerns all nodes become one; none: it does not.
std::optional<Merge> merge_of_all(std::string_view name);

// SCAN's cursor, as clients see it: the node in the low bits, that node's own above. None: it is no
// such cursor.
struct ScanCursor {
  static constexpr unsigned kNodeBits = 7;

  std::uint8_t node = 0;
  std::uint64_t cursor = 0;
};
std::optional<ScanCursor> read_cursor(std::string_view text);

// `replies`: one for each part, in the same order. An error reply among them is the answer: the
// first one, whatever the other parts have done. So is a reply of another shape than it must have.
std::string merge(const Split& split, std::span<const std::string> replies);

}  // namespace tiercache::proxy
