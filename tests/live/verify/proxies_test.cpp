// The checker against the real program: two proxies in front of one Redis, no promise broken.
#include "redis_server.hpp"
#include "tiercache_process.hpp"
#include "verify/report.hpp"
#include "verify/run.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {
namespace {

void check_two_proxies(std::vector<std::string> sets) {
  // No error is expected, and on a busy machine a connection may take long.
  sets.push_back("upstream.connect_timeout_ms=30000");
  RedisServer redis;
  TiercacheProcess first(redis.port(), sets);
  TiercacheProcess second(redis.port(), sets);
  first.wait_live();
  second.wait_live();

  verify::Settings settings;
  settings.proxies.push_back({"127.0.0.1", first.port()});
  settings.proxies.push_back({"127.0.0.1", second.port()});
  settings.redis = {"127.0.0.1", redis.port()};
  settings.seconds = 5;
  settings.keys = 2000;
  const auto found = verify::run(settings);
  REQUIRE_MESSAGE(found, found.error().detail);
  const verify::Report& report = found.value();
  INFO(verify::to_text(report));
  CHECK(report.total_violations() == 0);
  CHECK(report.trouble == "");
  CHECK(report.errors == 0);
  CHECK(report.lost == 0);
  for (std::size_t i = 0; i < verify::kChecks; ++i) {
    CAPTURE(verify::name_of(static_cast<verify::Check>(i)));
    // Nothing is left over where nothing was lost.
    CHECK((report.checks[i] > 0) == (static_cast<verify::Check>(i) != verify::Check::leftover));
  }
  for (const verify::ProxyReport& proxy : report.proxies) {
    REQUIRE(proxy.hit_ratio());
    CHECK(*proxy.hit_ratio() > verify::kLeastHitRatio);
  }
}

}  // namespace

TEST_CASE("two proxies in front of one Redis break no promise") {
  check_two_proxies({"threads=2"});
}

TEST_CASE("neither do they when L1 is so small that it evicts all the time") {
  check_two_proxies({"threads=2", "l1.max_memory=1mb"});
}

TEST_CASE("neither do they when direct writes may stay unseen for a short time only") {
  check_two_proxies({"threads=2", "coherence.max_staleness_ms=100"});
}

}  // namespace tiercache::testing
