// A master, two replicas, and three sentinels that look after them: real servers. Owner: the test,
// one thread at a time. Every wait is bounded (60 s).
#pragma once

#include "redis_server.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tiercache::testing {

struct SentinelWorld {
  static constexpr std::size_t kServers = 3;
  static constexpr std::size_t kSentinels = 3;

  // `sentinel_lines` are added to each sentinel's configuration.
  explicit SentinelWorld(const std::string& sentinel_lines = "");

  static std::string address(std::uint16_t port) {
    return "127.0.0.1:" + std::to_string(port);
  }
  void follow(std::size_t server, std::uint16_t master);
  // Until the sentinels know each other, and both replicas can be promoted.
  void wait_settled();
  // By a sentinel's word.
  std::uint16_t named_master(std::size_t sentinel = 0);
  std::size_t index_of(std::uint16_t port);
  // A switch that the sentinels are asked for: nothing dies. The new master.
  std::uint16_t fail_over();
  // For --set: how a proxy finds them.
  std::vector<std::string> settings(std::vector<std::string> more = {});

  std::array<std::unique_ptr<RedisServer>, kServers> servers;
  std::array<std::unique_ptr<RedisServer>, kSentinels> sentinels;
};

}  // namespace tiercache::testing
