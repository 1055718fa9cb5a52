// The checker against a real server and against proxies that are wrong on purpose: it must find
// nothing where nothing is wrong, and each fault where there is one.
#include "client.hpp"
#include "faulty_proxy.hpp"
#include "redis_server.hpp"
#include "verify/report.hpp"
#include "verify/run.hpp"

#include <chrono>
#include <thread>

#include <doctest/doctest.h>

namespace tiercache::testing {
namespace {

using verify::Check;
using verify::Report;

verify::Settings settings_for(std::uint16_t proxy, std::uint16_t redis) {
  verify::Settings settings;
  settings.proxies.push_back({"127.0.0.1", proxy});
  settings.redis = {"127.0.0.1", redis};
  settings.seconds = 2;
  settings.max_staleness_ms = 200;
  settings.keys = 500;
  settings.threads = 1;
  return settings;
}

Report check(std::uint16_t proxy, std::uint16_t redis) {
  auto report = verify::run(settings_for(proxy, redis));
  REQUIRE_MESSAGE(report, report.error().detail);
  INFO(verify::to_text(*report));
  CHECK(report->reads > 1000);
  CHECK(report->writes > 100);
  CHECK(report->delays > 0);
  return std::move(report).value();
}

std::uint64_t violations(const Report& report, Check check) {
  return report.violations[static_cast<std::size_t>(check)];
}

Report check_faulty(ProxyFault fault) {
  RedisServer redis;
  FaultyProxy proxy(redis.port(), fault);
  return check(proxy.port(), redis.port());
}

}  // namespace

TEST_CASE("Redis itself in the place of the proxy breaks no promise") {
  RedisServer redis;
  const Report report = check(redis.port(), redis.port());
  INFO(verify::to_text(report));
  CHECK(report.total_violations() == 0);
  CHECK(report.trouble == "");
  for (std::size_t i = 0; i < verify::kChecks; ++i) {
    CAPTURE(verify::name_of(static_cast<Check>(i)));
    // Nothing is left over where nothing was lost.
    CHECK((report.checks[i] > 0) == (static_cast<Check>(i) != Check::leftover));
  }
}

TEST_CASE("a relay without a fault breaks no promise") {
  const Report report = check_faulty(ProxyFault::none);
  INFO(verify::to_text(report));
  CHECK(report.total_violations() == 0);
}

TEST_CASE("a proxy that answers from a stale memory is reported, with a trace") {
  const Report report = check_faulty(ProxyFault::stale_reads);
  CHECK(violations(report, Check::own_write) > 0);
  CHECK(violations(report, Check::proxy_time) > 0);
  CHECK(violations(report, Check::expired) > 0);
  bool traced = false;
  for (const verify::Violation& violation : report.examples) {
    traced = traced || violation.trace.size() > 2;
  }
  CHECK(traced);
}

TEST_CASE("a proxy that answers MGET value by value is reported as tearing") {
  CHECK(violations(check_faulty(ProxyFault::torn_mget), Check::torn) > 0);
}

TEST_CASE("a proxy that forgets WATCH is reported as losing updates") {
  CHECK(violations(check_faulty(ProxyFault::forgets_watch), Check::watch) > 0);
}

TEST_CASE("a wrong byte is reported") {
  CHECK(violations(check_faulty(ProxyFault::flips_bits), Check::whole) > 0);
}

TEST_CASE("a missing byte is reported") {
  CHECK(violations(check_faulty(ProxyFault::short_reads), Check::whole) > 0);
}

TEST_CASE("a write that is acknowledged and lost is reported") {
  const Report report = check_faulty(ProxyFault::drops_writes);
  CHECK(violations(report, Check::own_write) + violations(report, Check::proxy_time) +
            violations(report, Check::settled) >
        0);
}

TEST_CASE("lost data is no violation where faults are expected, what a proxy keeps of it is") {
  RedisServer redis;
  FaultyProxy relay(redis.port(), ProxyFault::none);
  FaultyProxy keeper(redis.port(), ProxyFault::survives_flush);
  const auto check_with_flush = [&](std::uint16_t proxy) {
    verify::Settings settings = settings_for(proxy, redis.port());
    settings.seconds = 4;
    settings.faults = verify::Faults::expected;
    Client client(redis.port());
    std::thread flusher([&] {
      // Once the first writes are there the flush comes into the middle of everything.
      const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(10);
      while (client.call("DBSIZE").integer < 400 && std::chrono::steady_clock::now() < patience) {
        std::this_thread::yield();
      }
      client.call("FLUSHALL");
    });
    auto report = verify::run(settings);
    flusher.join();
    REQUIRE(report);
    return std::move(report).value();
  };
  const Report clean = check_with_flush(relay.port());
  INFO(verify::to_text(clean));
  CHECK(clean.data_losses == 1);
  CHECK(clean.total_violations() == 0);
  CHECK(clean.checks[static_cast<std::size_t>(Check::leftover)] > 0);
  // A flush may come before the proxy has kept anything.
  std::uint64_t kept = 0;
  for (int attempt = 0; attempt < 5 && kept == 0; attempt++) {
    kept = violations(check_with_flush(keeper.port()), Check::leftover);
  }
  CHECK(kept > 0);
}

}  // namespace tiercache::testing
