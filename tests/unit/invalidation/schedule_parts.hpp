// What the schedules are about, and how clients' replies are taken apart.
#pragma once

#include "model_redis.hpp"

#include "tiercache/config/config.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace tiercache::invalidation::testing {

inline config::Config with_source(bool ages) {
  config::Config config;
  config::Source& source = config.sources.emplace_back();
  source.name = "db";
  config::Namespace& space = config.namespaces.emplace_back();
  space.name = "docs";
  space.match = {"doc:*"};
  space.tiers = config::Tiers::l1_l2_l3;
  space.source = "db";
  space.key = "doc:{id:int}";
  space.query = "select doc from t where id = :id";
  space.negative_ttl = std::chrono::hours(1);
  if (ages) {
    space.l2_ttl = std::chrono::milliseconds(3 * ModelRedis::kWindow);
    space.stale_while_revalidate = std::chrono::milliseconds(ModelRedis::kWindow / 2);
    space.stale_if_error = std::chrono::milliseconds(ModelRedis::kWindow);
  }
  return config;
}

inline int version_of(std::string_view bulk) {
  const auto at = bulk.find("\r\n") + 2;
  return bulk.starts_with("$-1") ? 0 : std::stoi(std::string(bulk.substr(at)));
}

// One reply after the other; nothing if it is not whole.
inline std::optional<std::string> take_reply(std::string& bytes) {
  constexpr std::string_view kOfMget = "*1\r\n";
  if (bytes.starts_with(kOfMget)) {
    bytes.erase(0, kOfMget.size());
  }
  auto end = bytes.find("\r\n");
  if (end == bytes.npos) {
    return std::nullopt;
  }
  end += 2;
  if (bytes[0] == '$' && bytes[1] != '-') {
    end = bytes.find("\r\n", end) + 2;
  }
  std::string one = bytes.substr(0, end);
  bytes.erase(0, end);
  return one;
}

}  // namespace tiercache::invalidation::testing
