// Where a server is: host and port, or the path of a unix socket. Plain data; names are resolved
// by whoever connects. Thread-safe, pure.
#pragma once

#include "tiercache/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tiercache::config {

// sockaddr_un::sun_path holds 108 bytes, the last is the terminating zero.
inline constexpr std::size_t kMaxSocketPath = 107;
inline constexpr std::size_t kMaxHost = 253;

enum class EndpointKind { tcp, unix_socket };

struct Endpoint {
  EndpointKind kind = EndpointKind::tcp;
  std::string host;        // tcp: a name or an address, IPv6 without brackets
  std::uint16_t port = 0;  // tcp
  std::string path;        // unix_socket

  bool operator==(const Endpoint&) const = default;
};

// `host:port`, `[v6]:port` or `unix:/path`. The error's detail is only the reason ("the port is
// missing"); the caller knows where the text came from.
Result<Endpoint> parse_endpoint(std::string_view text);

// The inverse of parse_endpoint.
std::string to_string(const Endpoint& endpoint);

}  // namespace tiercache::config
