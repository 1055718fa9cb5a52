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
// The next destination of GEORADIUS ... STORE or STOREDIST, looking from args[from]. The server
// writes to the last one but declares them all.
std::size_t georadius_destination(Args args, std::size_t from);
constexpr std::size_t kGeoradiusOptions = 6;
constexpr std::size_t kGeoradiusMemberOptions = 5;

struct CopyOptions {
  bool malformed = false;
  std::int32_t db = -1;
};
CopyOptions parse_copy(Args args);

// MIGRATE names one key at its usual place, or, that one being empty, those behind KEYS, of which
// there may be none.
struct MigrateKeys {
  bool malformed = false;
  std::size_t first = 0;
  std::size_t end = 0;
};
MigrateKeys parse_migrate(Args args);

bool bitfield_writes(Args args);

// A db number as SELECT, MOVE and COPY take it; whether the server has it is not known here.
std::optional<std::int32_t> parse_db(std::string_view text);

}  // namespace tiercache::command
