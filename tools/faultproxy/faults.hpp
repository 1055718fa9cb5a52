// What can be done to a connection, and to which: plain values, shared by all files of the fault
// proxy.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>

namespace tiercache::faultproxy {

// What a connection is for, told from what its client sends first.
enum class Label : std::uint8_t {
  unknown,  // nothing sent yet
  event,    // subscribes, or asks for its id in order to
  control,  // watches the server
  data,     // everything else
};
constexpr std::size_t kLabels = 4;

enum class Direction : std::uint8_t {
  up,    // from the client to the server
  down,  // from the server to the client
};
constexpr std::size_t kDirections = 2;

// They hold until they are changed, for connections that come later too.
struct Faults {
  std::chrono::milliseconds delay[kDirections]{};
  bool paused[kDirections]{};  // taken in until the buffer is full, forwarded when resumed
  bool fragment = false;       // one byte a write, see Pipe::kSingleBytes
  bool blackhole = false;      // both paused, and new connections reach no server
};

struct Everyone {};
using Target = std::variant<Everyone, Label, std::uint64_t>;  // a number: one connection

struct Counters {
  std::uint64_t accepted = 0;
  std::uint64_t unreachable = 0;  // the server refused the connection
  std::uint64_t ended = 0;        // by a peer
  std::uint64_t reset = 0;        // these three by command
  std::uint64_t closed = 0;
  std::uint64_t cut = 0;
  std::uint64_t bytes[kDirections]{};   // forwarded
  std::uint64_t writes[kDirections]{};  // it took so many
};

}  // namespace tiercache::faultproxy
