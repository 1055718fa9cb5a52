// What is told of one client by CLIENT LIST, CLIENT INFO and CACHE CLIENTS: Redis's own fields,
// which speak of the connection that ends at the proxy. Pure.
#pragma once

#include "tiercache/resp/encoder.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tiercache::proxy {

// Redis's kinds of clients. Its "master" does not occur here.
enum class ClientType : std::uint8_t { normal, pubsub };

// What CLIENT PAUSE holds back; the higher is the stricter.
enum class PauseMode : std::uint8_t { none, write, all };

struct ClientFacts {
  std::uint64_t id = 0;
  std::string peer;
  std::string local;
  int fd = -1;
  std::string name;
  std::chrono::seconds age{0};
  std::chrono::seconds idle{0};
  std::uint32_t db = 0;
  std::uint64_t channels = 0;
  std::uint64_t patterns = 0;
  std::uint64_t shard_channels = 0;
  std::int64_t queued = -1;  // commands within MULTI; -1: no MULTI
  bool monitor = false;
  bool blocked = false;
  bool tracking = false;
  bool broadcast = false;
  bool closing = false;  // after its last answer
  bool unix_socket = false;
  bool no_evict = false;
  bool writable_wanted = false;  // waits until the socket takes more
  bool pinned = false;           // has a link of its own to Redis
  std::size_t input = 0;         // bytes that are not used up yet
  std::size_t input_free = 0;
  std::size_t buffer = 0;         // room for answers
  std::size_t output = 0;         // bytes of answers that the client has not taken
  std::size_t queued_output = 0;  // that wait for answers before them
  std::size_t memory = 0;         // about all that it takes
  std::size_t pending = 0;        // requests that are not answered yet
  std::string command;            // the last one; empty: none, or unknown
  std::string user;
  std::int64_t redirect = -1;  // -1: no tracking, 0: to itself
  resp::Version version = resp::Version::resp2;
  std::string library;  // CLIENT SETINFO
  std::string library_version;

  ClientType type() const noexcept {
    return channels + patterns + shard_channels > 0 ? ClientType::pubsub : ClientType::normal;
  }
};

// In the form of Redis 7.0, without a newline. What CLIENT SETINFO said follows as in Redis 7.2, of
// clients that said something.
std::string client_line(const ClientFacts& client);

}  // namespace tiercache::proxy
