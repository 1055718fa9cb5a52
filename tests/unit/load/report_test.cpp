#include "load/report.hpp"

#include <chrono>
#include <memory>

#include <doctest/doctest.h>

namespace tiercache::load {
namespace {

std::unique_ptr<Tally> hundred_replies() {
  auto tally = std::make_unique<Tally>();
  tally->replies = 100;
  for (int i = 1; i <= 100; ++i) {
    tally->latency.record(std::chrono::microseconds(i));
  }
  return tally;
}

TEST_CASE("the text and the line for machines say the same") {
  const auto tally = hundred_replies();
  tally->nulls = 3;
  const std::string text = to_text(*tally, 0.5);
  CHECK(text.starts_with("200 requests/s: 100 in 0.500 s\n"));
  CHECK(text.find("max 100.0\n") != std::string::npos);
  CHECK(text.find("errors 0, nulls 3, unanswered 0\n") != std::string::npos);
  const std::string json = to_json(*tally, 0.5);
  CHECK(json.starts_with("{\"requests\": 100, \"seconds\": 0.500000, \"rate\": 200.0, "));
  CHECK(json.find("\"nulls\": 3, ") != std::string::npos);
  CHECK(json.find("\"max\": 100.000, ") != std::string::npos);
  CHECK(json.ends_with("}\n"));
}

TEST_CASE("threads' counts are summed, and the quantiles are those of all") {
  const auto all = hundred_replies();
  const auto other = std::make_unique<Tally>();
  other->replies = 100;
  other->unanswered = 2;
  other->errors = 1;
  other->late_ns = 7;
  other->first_error = "ERR no";
  for (int i = 0; i < 100; ++i) {
    other->latency.record(std::chrono::milliseconds(1));
  }
  all->merge(*other);
  CHECK(all->replies == 200);
  CHECK(all->errors == 1);
  CHECK(all->unanswered == 2);
  CHECK(all->late_ns == 7);
  CHECK(all->first_error == "ERR no");
  CHECK(all->latency.quantile(0.5) >= 100'000);
  CHECK(all->latency.quantile(0.5) < 110'000);
  CHECK(all->latency.quantile(0.9) == 1'000'000);
  CHECK_FALSE(all->good());
}

TEST_CASE("nothing that a server says breaks the line for machines") {
  const auto tally = hundred_replies();
  tally->errors = 1;
  tally->first_error = "ERR \"quoted\" \\ \n \x1b[31m";
  CHECK(to_json(*tally, 1).find("\"first_error\": \"ERR ?quoted? ? ? ?[31m\"}") !=
        std::string::npos);
}

TEST_CASE("a run without a reply has a rate of zero") {
  CHECK(to_text(Tally{}, 0).starts_with("0 requests/s"));
}

}  // namespace
}  // namespace tiercache::load
