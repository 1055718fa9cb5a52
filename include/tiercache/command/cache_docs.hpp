// The CACHE command as data: what COMMAND, COMMAND DOCS and CACHE HELP say about it, so that
// redis-cli shows hints. Names, arity and flags stand in the Table ("cache", "cache|stats", ...);
// here are the words. Constant, any thread, free.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace tiercache::command {

// An argument as COMMAND DOCS describes one.
struct ArgDoc {
  enum class Type : std::uint8_t { string, integer, key, pattern, pure_token, oneof, block };
  std::string_view name{};
  Type type = Type::string;
  std::string_view token{};  // a literal word before it, or the whole of a pure token
  bool optional = false;
  bool multiple = false;
  std::span<const ArgDoc> arguments{};  // of oneof and block
};
// As COMMAND DOCS spells it: "string", "pure-token", ...
std::string_view arg_type_name(ArgDoc::Type type);

struct CommandDoc {
  std::string_view name{};     // "cache|stats", as in the Table
  std::string_view summary{};  // one line, a full stop at its end
  std::string_view syntax{};   // "CACHE STATS [<section>]", for CACHE HELP
  std::string_view since{};    // the version of tiercache
  std::span<const ArgDoc> arguments{};
};

// The container itself.
const CommandDoc& cache_doc();
// Its subcommands, sorted by name; each is in the built-in table, and the other way round.
std::span<const CommandDoc> cache_subcommand_docs();

}  // namespace tiercache::command
