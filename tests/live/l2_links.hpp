// Links to a test's own server.
#pragma once

#include "l2_loop.hpp"
#include "redis_server.hpp"

#include "tiercache/l2/links.hpp"

#include <memory>

namespace tiercache::testing {

inline config::Endpoint local(std::uint16_t port) {
  return {config::EndpointKind::tcp, "127.0.0.1", port, ""};
}

inline l2::LinksConfig config_for(const RedisServer& server) {
  using namespace std::chrono_literals;
  l2::LinksConfig config;
  config.upstream = l2::upstream_at(local(server.port()));
  // A test that asks much before it runs its loop takes a busy machine longer than a second.
  config.connect_timeout = 60s;
  config.backoff_min = 20ms;
  config.backoff_max = 100ms;
  return config;
}

inline std::unique_ptr<l2::Links> links_for(Loop& loop, const l2::LinksConfig& config) {
  return l2::make_links(loop.io(), config, [n = std::uint64_t{0}]() mutable { return ++n; });
}

inline std::uint64_t ask(l2::Link& link, Recorder& recorder,
                         std::initializer_list<std::string_view> args, std::uint64_t tag = 0) {
  const std::uint64_t seq = link.next_place().seq;
  link.send(request(args), recorder, tag);
  return seq;
}

}  // namespace tiercache::testing
