// What the proxy knows of one command, and what follows from its arguments: which keys it names,
// what it does to L1, which link may carry it. The facts are Redis 7.0's, checked by a test
// against the server's own COMMAND, COMMAND GETKEYS and COMMAND GETKEYSANDFLAGS.
//
// Owner: a Table (table.hpp) owns its Commands; everything here is constant after construction and
// may be used by any thread. The functions are pure, allocate nothing (keys() appends to the
// caller's reused vector), and cost a few nanoseconds plus one step per argument looked at.
//
// The rule for doubt: what is not certainly harmless is treated as a write. Option words that we
// do not know are stepped over, so a newer server's options do not hide a destination key.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tiercache::command {

using Args = std::span<const std::string_view>;

// What it does to L1.
enum class Kind : std::uint8_t {
  none,            // neither reads nor changes a value or TTL of ours (PING, CONFIG, WATCH, SCAN)
  cacheable_read,  // L1 may answer and be filled: deterministic reads of one key, args[1]
  multi_read,      // MGET, EXISTS of several keys: L1 answers only if all of them hit
  ttl_read,        // TTL, PTTL: from an entry's deadline, else passed through
  read,            // passed-through read of its keys
  write,           // changes some of its declared keys, and nothing else
  unknown_write,   // may change keys that it does not declare (EVAL, FCALL, unknown commands)
  flush,           // replaces the keyspace, or may, without an event for each key
};

// Which connection to the server may carry it.
enum class Route : std::uint8_t {
  shared,    // any link
  scripts,   // the shared link of scripts, which nothing else need wait behind
  blocking,  // a link of its own until the reply: it may wait there, or must not wait behind others
  stateful,  // changes or needs the state of its connection
  local,     // the proxy answers
  augmented,  // Redis answers and the proxy adds
};

enum class Access : std::uint8_t {
  read,
  write,  // anything that may change the value, its encoding or its TTL
};

// The server's command flags, as COMMAND names them.
enum Flag : std::uint32_t {
  kWrite = 1U << 0U,
  kReadonly = 1U << 1U,
  kDenyoom = 1U << 2U,
  kAdmin = 1U << 3U,
  kPubsub = 1U << 4U,
  kNoscript = 1U << 5U,
  kBlocking = 1U << 6U,
  kLoading = 1U << 7U,
  kStale = 1U << 8U,
  kSkipMonitor = 1U << 9U,
  kSkipSlowlog = 1U << 10U,
  kAsking = 1U << 11U,
  kFast = 1U << 12U,
  kNoAuth = 1U << 13U,
  kMovablekeys = 1U << 14U,
  kNoMandatoryKeys = 1U << 15U,
  kNoAsyncLoading = 1U << 16U,
  kNoMulti = 1U << 17U,
  kAllowBusy = 1U << 18U,
};
// 0 for a name we do not know.
std::uint32_t flag_from_name(std::string_view name);

// A run of keys among the arguments. A command has at most two, what is odd has a Syntax.
struct KeySpec {
  enum class Find : std::uint8_t {
    none,
    range,          // args[first], args[first + step], ... up to args[last]
    count,          // args[first] says how many keys follow it, at least one
    count_or_none,  // the same, and zero is fine
  };
  Find find = Find::none;
  Access access = Access::read;
  std::int32_t first = 0;
  std::int32_t last = 0;  // range only; negative counts from the end, -1 is the last argument
  std::int32_t step = 1;  // range only
};

// Arguments that decide more than KeySpec can say.
enum class Syntax : std::uint8_t {
  plain,
  pairs,             // MSET: the arguments come in twos
  exists,            // one key or several
  getex,             // a write if it has options
  bitfield,          // a read if it only gets
  sort,              // STORE destination
  georadius,         // STORE and STOREDIST destination, options from args[6]
  georadius_member,  // the same from args[5]
  copy,              // DB n
  move,              // the db is an argument
  migrate,           // one key, or KEYS and many
  streams,           // XREAD, XREADGROUP: STREAMS key... id..., BLOCK
  ping,              // local without arguments
  debug,             // the subcommand decides
};

// Of a cacheable read: how its reply depends on the RESP version.
enum class Reply : std::uint8_t {
  alike,       // the same bytes in both: numbers, strings, lists of strings (and GET: its nil is
               // each version's own, which the proxy sees to)
  by_version,  // maps, sets, doubles, nils: L1 keeps one for each version
};

struct Command {
  std::string_view name{};  // lower case; a subcommand's is "container|sub"
  std::int32_t arity = 0;   // Redis's: n exactly, -n at least, the name (and the sub's) included
  std::uint32_t flags = 0;  // Flag bits
  Kind kind = Kind::none;   // before the arguments are looked at: use classify()
  KeySpec key_specs[2] = {};
  Route route = Route::shared;
  Syntax syntax = Syntax::plain;
  std::string_view why{};  // one line where the treatment is not obvious
  Reply reply = Reply::by_version;
  // Why L1 does not keep this read's replies; of every such read, and of these only.
  std::string_view not_kept{};
  // A cacheable read is a plain one where the server has taught us this command.
  std::string_view unless{};
  bool container = false;   // has subcommands
  bool subcommand = false;  // found under a container only
  bool learnt = false;      // came from the server, not from our table
};

struct Classified {
  Kind kind = Kind::none;
  Route route = Route::shared;
  bool operator==(const Classified&) const = default;
};

struct KeyRef {
  std::uint32_t index = 0;  // into the arguments
  Access access = Access::read;
  std::int32_t db = -1;  // the key lies in this db; -1: in the session's
  bool operator==(const KeyRef&) const = default;
};

// Kind and route after a look at the arguments. `args` starts with the command's name.
Classified classify(const Command& command, Args args);

// Appends the keys that the arguments declare; a key can come twice (RENAME a a). False, and
// nothing appended, if the arguments are malformed so that the server must answer an error; true
// does not promise that it will not. Keys that only a script, a pattern (SORT BY) or the
// server's state names are not declared, nor are channels.
bool keys(const Command& command, Args args, std::vector<KeyRef>& out);

// True if the number of arguments fits.
inline bool arity_fits(const Command& command, Args args) {
  const auto count = static_cast<std::int64_t>(args.size());
  return command.arity >= 0 ? count == command.arity : count >= -std::int64_t{command.arity};
}

}  // namespace tiercache::command
