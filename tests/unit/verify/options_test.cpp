#include "verify/options.hpp"

#include <vector>

#include <doctest/doctest.h>

namespace tiercache::verify {
namespace {

Result<Settings> parse(std::vector<std::string_view> words) {
  return parse_options(words);
}

}  // namespace

TEST_CASE("a full command line") {
  const auto settings =
      parse({"--proxy", "127.0.0.1:6380", "--proxy", ":6381", "--redis", "other.example:6379",
             "--seconds", "600", "--max-staleness", "250", "--threads", "3", "--keys", "500",
             "--seed", "9", "--json", "--faults-expected"});
  REQUIRE(settings);
  const Settings& s = settings.value();
  REQUIRE(s.proxies.size() == 2);
  CHECK(s.proxies[0].port == 6380);
  CHECK(s.proxies[1].host == "127.0.0.1");
  CHECK(s.redis.host == "other.example");
  CHECK(s.seconds == 600);
  CHECK(s.max_staleness_ms == 250);
  CHECK(s.threads == 3);
  CHECK(s.keys == 500);
  CHECK(s.seed == 9);
  CHECK(s.json);
  CHECK(s.faults == Faults::expected);
}

TEST_CASE("what cannot be meant is refused with a reason") {
  const std::vector<std::vector<std::string_view>> lines{
      {"--redis", ":1"},
      {"--proxy", ":1"},
      {"--proxy", ":1", "--redis", "nowhere"},
      {"--proxy", ":1", "--redis", ":70000"},
      {"--proxy", ":1", "--redis", ":1", "--seconds", "0"},
      {"--proxy", ":1", "--redis", ":1", "--seconds", "5s"},
      {"--proxy", ":1", "--redis", ":1", "--seconds"},
      {"--proxy", ":1", "--redis", ":1", "--sekonds", "5"},
      {"--proxy", ":1", "--proxy", ":2", "--proxy", ":3", "--proxy", ":4", "--proxy", ":5",
       "--redis", ":6"},
  };
  for (const auto& line : lines) {
    const auto settings = parse(line);
    CHECK_FALSE(settings);
    if (!settings) {
      CHECK_FALSE(settings.error().detail.empty());
    }
  }
}

}  // namespace tiercache::verify
