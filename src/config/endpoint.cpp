#include "tiercache/config/endpoint.hpp"

#include "text.hpp"

#include <algorithm>
#include <charconv>

namespace tiercache::config {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

Error invalid(std::string reason) {
  return {ErrorCode::invalid, std::move(reason)};
}

bool is_alnum(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_host_name(std::string_view text) noexcept {
  return std::ranges::all_of(
      text, [](char c) { return is_alnum(c) || c == '-' || c == '.' || c == '_'; });
}

// Only the alphabet: whether it is an address is for the resolver to say.
bool looks_like_v6(std::string_view text) noexcept {
  return text.find(':') != text.npos && std::ranges::all_of(text, [](char c) {
           return is_alnum(c) || c == ':' || c == '.' || c == '%' || c == '-' || c == '_';
         });
}

Result<Endpoint> parse_unix(std::string_view path) {
  if (path.empty() || path.front() != '/') {
    return invalid("the path of a unix socket must begin with '/'");
  }
  if (path.size() > kMaxSocketPath) {
    return invalid("the path of a unix socket has at most " + std::to_string(kMaxSocketPath) +
                   " bytes");
  }
  const auto is_control = [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  };
  if (std::ranges::any_of(path, is_control)) {
    return invalid("the path holds a control character");
  }
  return Endpoint{EndpointKind::unix_socket, "", 0, std::string(path)};
}

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (status != std::errc{} || end != text.data() + text.size() || port == 0) {
    return invalid("the port must be a number from 1 to 65535");
  }
  return port;
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
  if (text.starts_with(kUnixPrefix)) {
    return parse_unix(text.substr(kUnixPrefix.size()));
  }
  std::string_view host;
  std::string_view rest;  // from the colon of the port
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == text.npos) {
      return invalid("']' is missing");
    }
    host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
    if (!looks_like_v6(host)) {
      return invalid("there is no IPv6 address between the brackets");
    }
  } else {
    const auto colon = text.find(':');
    host = text.substr(0, colon);
    rest = colon == text.npos ? std::string_view{} : text.substr(colon);
    if (rest.find(':', 1) != rest.npos) {
      return invalid("an IPv6 address must stand in brackets");
    }
    if (host.empty()) {
      return invalid("the host is missing");
    }
    if (!is_host_name(host)) {
      return invalid("the host is neither a name nor an address");
    }
  }
  if (host.size() > kMaxHost) {
    return invalid("the host has at most " + std::to_string(kMaxHost) + " bytes");
  }
  if (rest.size() < 2 || rest.front() != ':') {
    return invalid("the port is missing");
  }
  auto port = parse_port(rest.substr(1));
  if (!port) {
    return port.error();
  }
  return Endpoint{EndpointKind::tcp, std::string(host), port.value(), ""};
}

std::string to_string(const Endpoint& endpoint) {
  if (endpoint.kind == EndpointKind::unix_socket) {
    return concat({kUnixPrefix, endpoint.path});
  }
  const std::string port = std::to_string(endpoint.port);
  if (endpoint.host.find(':') != std::string::npos) {
    return concat({"[", endpoint.host, "]:", port});
  }
  return concat({endpoint.host, ":", port});
}

}  // namespace tiercache::config
