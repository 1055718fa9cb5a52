// Under which name L1 keeps the replies that this room fills in, and how an entry is turned into
// the reply to a command. Pure.
#pragma once

#include "tiercache/l1/entry.hpp"
#include "tiercache/resp/encoder.hpp"

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

// Entries that can answer a command, the one it fills first.
std::span<const l1::Variant> answers_to_get();
std::span<const l1::Variant> answers_to_strlen();
std::span<const l1::Variant> answers_to_exists();
std::span<const l1::Variant> answers_to_mget();
std::span<const l1::Variant> answers_to_ttl();

inline constexpr std::string_view kNil = "$-1\r\n";  // as L1 keeps it

// Appends the reply to `command` (one of the ids) that follows from the entry.
void append_hit(std::string& out, std::uint16_t command, const l1::Entry& entry,
                resp::Version version);

// The number in ":<number>\r\n" or in "$<number>\r\n..."; -1 for a nil of either version.
struct Header {
  bool ok = false;
  std::int64_t number = 0;
  std::size_t size = 0;  // with its CRLF
};
Header read_header(std::string_view reply);

}  // namespace tiercache::proxy
