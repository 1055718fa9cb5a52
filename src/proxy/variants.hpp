// Under which name L1 keeps the replies that this room fills in, how an entry is turned into the
// reply to a command, and what a reply says that might become an entry. Pure.
//
// A reply lies under its key, named by the command (its position in the table, so its letter case
// does not matter), by the RESP version where the reply depends on it (command::Reply), and by the
// exact bytes of all arguments behind the key: option words in another case make another entry.
#pragma once

#include "tiercache/command/command.hpp"
#include "tiercache/l1/entry.hpp"
#include "tiercache/resp/encoder.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tiercache::proxy {

// Positions in the built-in command table.
struct CommandIds {
  std::uint16_t get = 0;
  std::uint16_t strlen = 0;
  std::uint16_t exists = 0;
  std::uint16_t mget = 0;  // "nil for MGET": the key is missing or holds no string
};
const CommandIds& command_ids();
l1::Variant variant_of(std::uint16_t command);

// All arguments behind the key together, with two bytes for each; more are not kept.
inline constexpr std::size_t kMaxArgs = 4096;

// Room for a name that is made for one request; it refers to the bytes of the request too.
struct OwnName {
  l1::Variant variant;
  std::string& args;
};

// The entries that can answer a request, the one it fills first; none if L1 may not keep its reply.
// REQUIRES: a cacheable read with its arguments; `id` is its position in the table.
std::span<const l1::Variant> answers_to(const command::Command& command, std::uint16_t id,
                                        command::Args args, resp::Version version, OwnName& own);
std::span<const l1::Variant> answers_to_get();
std::span<const l1::Variant> answers_to_exists();
std::span<const l1::Variant> answers_to_mget();
std::span<const l1::Variant> answers_to_ttl();

inline constexpr std::string_view kNil = "$-1\r\n";  // as L1 keeps it

// Appends the reply to `command` (one of the ids) that follows from the entry.
void append_hit(std::string& out, std::uint16_t command, const l1::Entry& entry,
                resp::Version version);

// Whether L1 is to keep a flight's reply, told from its first bytes or from all of it.
enum class Verdict : std::uint8_t {
  more,    // too little has come to tell
  keep,    // so far: no error, and small enough
  stream,  // not for L1
};
Verdict judge(std::string_view reply, std::size_t max_value);

// What PTTL answers of a key that is not there.
inline constexpr std::int64_t kNoKey = -2;

// What a whole reply of which judge() said keep, and that of the PTTL before it, say.
struct Heard {
  bool consistent = false;  // as far as the reply tells; PTTL's is compared by coherence
  bool nil = false;         // GET's: each RESP version has its own, L1 keeps kNil
  bool missing = false;     // the key does not exist
};
Heard hear(std::uint16_t command, std::string_view reply, std::int64_t pttl);

}  // namespace tiercache::proxy
