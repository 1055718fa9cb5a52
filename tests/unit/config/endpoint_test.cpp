#include "tiercache/config/endpoint.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace tiercache::config;

TEST_CASE("an endpoint is host and port, a bracketed IPv6 address and port, or a unix path") {
  const auto tcp = [](std::string host, std::uint16_t port) {
    return Endpoint{EndpointKind::tcp, std::move(host), port, ""};
  };
  CHECK(parse_endpoint("127.0.0.1:6379").value() == tcp("127.0.0.1", 6379));
  CHECK(parse_endpoint("redis-1.example_net:1").value() == tcp("redis-1.example_net", 1));
  CHECK(parse_endpoint("[::1]:65535").value() == tcp("::1", 65535));
  CHECK(parse_endpoint("[fe80::1%eth0]:7000").value() == tcp("fe80::1%eth0", 7000));
  CHECK(parse_endpoint("unix:/run/redis.sock").value() ==
        Endpoint{EndpointKind::unix_socket, "", 0, "/run/redis.sock"});
}

TEST_CASE("an endpoint's text parses back to it") {
  for (const char* text : {"localhost:6379", "[::1]:7000", "unix:/a b", "10.0.0.1:1"}) {
    CHECK(to_string(parse_endpoint(text).value()) == text);
  }
}

TEST_CASE("a bad endpoint is refused with its reason") {
  struct Row {
    std::string text;
    const char* reason;
  };
  const Row rows[] = {
      {"", "the host is missing"},
      {":6379", "the host is missing"},
      {"localhost", "the port is missing"},
      {"localhost:", "the port is missing"},
      {"localhost:0", "the port must be a number from 1 to 65535"},
      {"localhost:65536", "the port must be a number from 1 to 65535"},
      {"localhost:+1", "the port must be a number from 1 to 65535"},
      {"localhost:6379 ", "the port must be a number from 1 to 65535"},
      {"::1:6379", "an IPv6 address must stand in brackets"},
      {"[::1", "']' is missing"},
      {"[::1]", "the port is missing"},
      {"[::1]6379", "the port is missing"},
      {"[]:6379", "there is no IPv6 address between the brackets"},
      {"[localhost]:6379", "there is no IPv6 address between the brackets"},
      {"redis://h:1", "an IPv6 address must stand in brackets"},
      {"a b:1", "the host is neither a name nor an address"},
      {std::string("a\0b:1", 5), "the host is neither a name nor an address"},
      {"unix:", "the path of a unix socket must begin with '/'"},
      {"unix:run/redis.sock", "the path of a unix socket must begin with '/'"},
      {std::string("unix:/a\0b", 9), "the path holds a control character"},
      {"unix:/" + std::string(kMaxSocketPath, 'a'),
       "the path of a unix socket has at most 107 bytes"},
      {std::string(kMaxHost + 1, 'a') + ":1", "the host has at most 253 bytes"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto endpoint = parse_endpoint(row.text);
    REQUIRE_FALSE(endpoint);
    CHECK(endpoint.error().detail == row.reason);
  }
}
