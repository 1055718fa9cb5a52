#include "load/options.hpp"

#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::load {
namespace {

Result<Settings> parse(const std::vector<std::string_view>& arguments) {
  return parse_options(arguments);
}

TEST_CASE("what is not said has a default") {
  const Settings settings = parse({}).value();
  CHECK(config::to_string(settings.target) == "127.0.0.1:6380");
  CHECK(settings.connections == 50);
  CHECK(settings.pipeline == 1);
  CHECK(settings.rate == 0);
  CHECK(settings.count == 0);
  CHECK(settings.workload.command == CommandKind::get);
  CHECK(settings.output == Output::text);
  CHECK(settings.fill == Fill::no);
}

TEST_CASE("every option is understood") {
  const Settings settings = parse({"--target",
                                   "unix:/tmp/s",
                                   "--connections",
                                   "5",
                                   "--pipeline",
                                   "16",
                                   "--threads",
                                   "2",
                                   "--command",
                                   "mix:0.25",
                                   "--keys",
                                   "uniform:9",
                                   "--key-prefix",
                                   "k",
                                   "--value-sizes",
                                   "10",
                                   "--ttl",
                                   "60",
                                   "--fill",
                                   "--rate",
                                   "2.5e4",
                                   "--seconds",
                                   "0.5",
                                   "--count",
                                   "7",
                                   "--seed",
                                   "3",
                                   "--json"})
                                .value();
  CHECK(settings.target.path == "/tmp/s");
  CHECK(settings.connections == 5);
  CHECK(settings.pipeline == 16);
  CHECK(settings.threads == 2);
  CHECK(settings.workload.command == CommandKind::mix);
  CHECK(settings.workload.get_share == 0.25);
  CHECK(settings.workload.keys == KeySpec{KeyShape::uniform, 9, 0});
  CHECK(settings.workload.key_prefix == "k");
  CHECK(settings.workload.values.largest() == 10);
  CHECK(settings.workload.ttl == std::chrono::seconds(60));
  CHECK(settings.fill == Fill::first);
  CHECK(settings.rate == 25'000);
  CHECK(settings.seconds == 0.5);
  CHECK(settings.count == 7);
  CHECK(settings.workload.seed == 3);
  CHECK(settings.output == Output::json);
}

TEST_CASE("commands are get, set, mget and mix") {
  CHECK(parse({"--command", "set"}).value().workload.command == CommandKind::set);
  const Workload mget = parse({"--command", "mget:10"}).value().workload;
  CHECK(mget.command == CommandKind::mget);
  CHECK(mget.mget_keys == 10);
  for (const char* text :
       {"", "GET", "del", "mget", "mget:0", "mix", "mix:2", "mix:-0.1", "get:1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse({"--command", text}));
  }
}

TEST_CASE("a mistake is refused, and the message names it") {
  const std::vector<std::vector<std::string_view>> mistakes = {
      {"--pipeline"},       {"--pipeline", "0"},      {"--nonsense", "1"},
      {"--threads", "x"},   {"--rate", "0"},          {"--rate", "nan"},
      {"--seconds", "inf"}, {"--target", "nowhere"},  {"--keys", "some"},
      {"--count", "-1"},    {"--value-sizes", "big"}, {"--threads", "4", "--connections", "2"}};
  for (const auto& arguments : mistakes) {
    CAPTURE(arguments.front());
    const auto settings = parse(arguments);
    CHECK_FALSE(settings);
  }
  CHECK(parse({"--nonsense", "1"}).error().detail.find("--nonsense") != std::string::npos);
}

}  // namespace
}  // namespace tiercache::load
