// What a read may see: the judgement itself, free of sockets and clocks. A reply becomes a Seen;
// the Bounds say how far the key must have come by then; judge() says which promise is broken, if
// any, and the earliest state that the read proves.
//
// A seen absence, length or presence does not name its state: it is right if some state from the
// bounds up to the last one issued fits, and it proves the first of these.
#pragma once

#include "value.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tiercache::verify {

enum class Check : std::uint8_t {
  whole,       // the bytes are a value that was written, all of it
  monotonic,   // a session never sees a key go back
  own_write,   // a session sees what it wrote
  proxy_time,  // a read sent after another one, or a write, was answered by this proxy sees no less
  staleness,   // a write made elsewhere is seen max_staleness later at the latest
  previous,    // GETSET, DEL, APPEND, INCR: the reply names the state before exactly
  torn,        // keys written by one MSET, fields written by one HSET: all or nothing
  expired,     // nothing is seen after its expiry
  early,       // nothing is gone before its expiry
  watch,       // counters under WATCH add up
  settled,     // when all is quiet, the proxy answers what Redis answers
  leftover,    // max_staleness after Redis has lost its data, no proxy answers with any of it
  protocol,    // the reply has the type that the command has
};
inline constexpr std::size_t kChecks = 13;
std::string_view name_of(Check check) noexcept;

struct Seen {
  enum class Kind : std::uint8_t {
    value,
    absent,
    present,
    length,
    member,    // of a set: the record of state `number` is in it
    outsider,  // ... is not
    corrupt,
    mistyped
  };
  Kind kind = Kind::corrupt;
  std::uint32_t number = 0;  // value: the state's number; length: the length

  bool operator==(const Seen&) const = default;
};

// Numbers of the incarnation that the read named; 0 = no bound.
struct Bounds {
  Version session = 0;         // the latest that this session has seen or written
  bool session_wrote = false;  // ... and it wrote it
  Version proxy = 0;           // the latest that this proxy had shown before the read was sent
  Version direct = 0;          // the latest that had been acknowledged for max_staleness by then
  Version issued = 0;          // the latest that anybody has sent
};

struct Ruling {
  std::optional<Check> broken{};
  std::optional<Version> proven{};  // the state that the read shows at least
};

Ruling judge(const KeyInfo& info, KeyId key, const Bounds& bounds, Seen seen) noexcept;

// The state right before the write `number` by the key's only writer, as its reply shows it.
bool is_previous(const KeyInfo& info, KeyId key, Version number, Seen seen) noexcept;

// Were the members, always written together, seen apart?
bool is_torn(std::span<const Seen> members) noexcept;

// A floor as it counts for a read that named `incarnation`: nothing if the key has since moved on.
constexpr std::optional<Version> narrow(Version floor, Version incarnation) noexcept {
  if (incarnation_of(floor) > incarnation) {
    return std::nullopt;
  }
  return incarnation_of(floor) == incarnation ? number_of(floor) : 0;
}

}  // namespace tiercache::verify
