// Walks over the options of the commands whose arguments decide where the keys are. Each follows
// the grammar that the server executes, which is not always the one that its COMMAND GETKEYS
// looks for. Unknown words are stepped over.
#pragma once

#include "tiercache/command/command.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace tiercache::command {

// Positions into the arguments; 0 means none (nothing we look for is the command's name).
struct Streams {
  std::size_t first_key = 0;
  std::size_t count = 0;  // of the keys; as many ids follow
  bool block = false;
};
Streams parse_streams(Args args);

// The destination of SORT ... STORE; the last one counts.
std::size_t sort_destination(Args args);
// The destination of GEORADIUS ... STORE or STOREDIST; the last one counts.
std::size_t georadius_destination(Args args, std::size_t options_from);

struct CopyOptions {
  bool malformed = false;
  std::int32_t db = -1;
};
CopyOptions parse_copy(Args args);

// The first key behind MIGRATE's KEYS, 0 if the key stands at its usual place.
std::size_t migrate_first_key(Args args);

bool bitfield_writes(Args args);

// A db number as SELECT, MOVE and COPY take it; whether the server has it is not known here.
std::optional<std::int32_t> parse_db(std::string_view text);

}  // namespace tiercache::command
