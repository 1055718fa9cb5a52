#include "verify/report.hpp"

#include <doctest/doctest.h>

namespace tiercache::verify {
namespace {

Report sound() {
  Report report;
  report.seconds = 2;
  report.reads = 1000;
  report.writes = 10;
  report.checks.fill(5);
  ProxyReport proxy;
  proxy.address = "127.0.0.1:1";
  proxy.hits = 90;
  proxy.misses = 10;
  report.proxies.push_back(proxy);
  return report;
}

Report violated() {
  Report report = sound();
  report.violations[static_cast<std::size_t>(Check::torn)] = 2;
  Violation violation;
  violation.check = Check::torn;
  violation.key = 77;
  violation.who = "proxy1.fast";
  violation.text = "a \"quoted\"\n thing";
  violation.trace.push_back({{}, "redis.writer3"});
  report.examples.push_back(violation);
  return report;
}

}  // namespace

TEST_CASE("a sound run passes") {
  const Report report = sound();
  CHECK(find_trouble(report, Faults::none) == "");
  CHECK(to_text(report).find("PASSED") != std::string::npos);
  CHECK(to_text(report).find("hit ratio 90.00 %") != std::string::npos);
  CHECK(to_json(report).find("\"passed\":true") != std::string::npos);
}

TEST_CASE("a violation fails the run and is told with its trace") {
  const std::string text = to_text(violated());
  CHECK(text.find("FAILED") != std::string::npos);
  CHECK(text.find("VIOLATION of torn: key 77, by proxy1.fast") != std::string::npos);
  CHECK(text.find("redis.writer3") != std::string::npos);
  const std::string json = to_json(violated());
  CHECK(json.find("\"passed\":false") != std::string::npos);
  CHECK(json.find("a \\\"quoted\\\"\\u000a thing") != std::string::npos);
}

TEST_CASE("a run without hits, reads or a comparison proves nothing") {
  Report report = sound();
  report.proxies[0].hits = 0;
  CHECK(find_trouble(report, Faults::none) != "");
  report = sound();
  report.proxies[0].hits.reset();  // no CACHE STATS: it cannot be known
  CHECK(find_trouble(report, Faults::none) == "");
  report = sound();
  report.reads = 0;
  CHECK(find_trouble(report, Faults::none) != "");
  report = sound();
  report.checks[static_cast<std::size_t>(Check::settled)] = 0;
  CHECK(find_trouble(report, Faults::none) != "");
  report.trouble = find_trouble(report, Faults::none);
  CHECK(to_text(report).find("FAILED") != std::string::npos);
  CHECK(to_json(report).find("\"passed\":false") != std::string::npos);
}

TEST_CASE("lost data is trouble unless faults are expected") {
  Report report = sound();
  report.data_losses = 1;
  CHECK(find_trouble(report, Faults::none) != "");
  CHECK(find_trouble(report, Faults::expected) == "");
}

}  // namespace tiercache::verify
