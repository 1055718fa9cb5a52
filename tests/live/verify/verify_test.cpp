// The checker against a real server and against proxies that are wrong on purpose: it must find
// nothing where nothing is wrong, and each fault where there is one.
#include "client.hpp"
#include "faulty_proxy.hpp"
#include "redis_server.hpp"
#include "verify/report.hpp"
#include "verify/run.hpp"

#include <array>
#include <chrono>
#include <functional>
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

struct Found {
  std::array<std::uint64_t, verify::kChecks> violations{};
  bool traced = false;

  std::uint64_t operator[](Check check) const {
    return violations[static_cast<std::size_t>(check)];
  }
};

// What the checker finds of a fault. Some are to be seen for a few milliseconds only (an expired
// state while it is remembered): a slow machine reads too seldom to be sure of one in each run, so
// there are several until `enough`.
Found found_of(ProxyFault fault, const std::function<bool(const Found&)>& enough) {
  Found found;
  for (int attempt = 0; attempt == 0 || (attempt < 20 && !enough(found)); ++attempt) {
    const Report report = check_faulty(fault);
    for (std::size_t i = 0; i < verify::kChecks; ++i) {
      found.violations[i] += report.violations[i];
    }
    for (const verify::Violation& violation : report.examples) {
      found.traced = found.traced || violation.trace.size() > 2;
    }
  }
  return found;
}

bool finds(ProxyFault fault, Check check) {
  const auto enough = [&](const Found& found) {
    return found[check] > 0;
  };
  return enough(found_of(fault, enough));
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
  const Found found = found_of(ProxyFault::stale_reads, [](const Found& so_far) {
    return so_far[Check::own_write] > 0 && so_far[Check::proxy_time] > 0 &&
           so_far[Check::expired] > 0;
  });
  CHECK(found[Check::own_write] > 0);
  CHECK(found[Check::proxy_time] > 0);
  CHECK(found[Check::expired] > 0);
  CHECK(found.traced);
}

TEST_CASE("a proxy that answers MGET value by value is reported as tearing") {
  CHECK(finds(ProxyFault::torn_mget, Check::torn));
}

TEST_CASE("a proxy that forgets WATCH is reported as losing updates") {
  CHECK(finds(ProxyFault::forgets_watch, Check::watch));
}

TEST_CASE("a wrong byte is reported") {
  CHECK(finds(ProxyFault::flips_bits, Check::whole));
}

TEST_CASE("a missing byte is reported") {
  CHECK(finds(ProxyFault::short_reads, Check::whole));
}

TEST_CASE("a write that is acknowledged and lost is reported") {
  const auto any = [](const Found& found) {
    return found[Check::own_write] + found[Check::proxy_time] + found[Check::settled] > 0;
  };
  CHECK(any(found_of(ProxyFault::drops_writes, any)));
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
