// What differs from one world of schedules to another, and how their proxy is configured.
#pragma once

#include "model_redis.hpp"

#include "tiercache/config/config.hpp"

#include <chrono>

namespace tiercache::invalidation::testing {

struct Kind {
  bool hashes = false;  // the source's rows become hashes
  bool ages = false;    // what was loaded grows stale, and the source fails at times
  bool fails = false;   // Redis does not do what the invalidator wants, at times
  bool blind = false;   // no request looks for pending invalidations: it has to be noticed
};

inline config::Config with_source(const Kind& kind) {
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
  space.result = kind.hashes ? config::LoadResult::hash : config::LoadResult::value;
  space.negative_ttl = std::chrono::hours(1);
  space.l2_ttl = std::chrono::milliseconds((kind.ages ? 3 : 4) * ModelRedis::kWindow);
  if (kind.ages) {
    space.stale_while_revalidate = std::chrono::milliseconds(ModelRedis::kWindow / 2);
    space.stale_if_error = std::chrono::milliseconds(ModelRedis::kWindow);
  }
  return config;
}

}  // namespace tiercache::invalidation::testing
