#include "tiercache/config/load.hpp"

#include <array>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::config;

namespace {

using Texts = std::vector<std::string_view>;

}  // namespace

TEST_CASE("a later layer wins: default, file, environment, set") {
  const std::string_view file = "[l1]\nshards = 1\nmax_variants = 1\nmax_entries = 1\n";
  const Texts environment = {"TIERCACHE_L1_MAX_VARIANTS=2", "TIERCACHE_L1_MAX_ENTRIES=2",
                             "HOME=/root"};
  const Texts sets = {"l1.max_entries=3"};
  const Config config = load({file, "f", environment, sets}).value();
  CHECK(config.l1.negative_ttl == milliseconds{1000});
  CHECK(config.l1.shards == 1);
  CHECK(config.l1.max_variants == 2);
  CHECK(config.l1.max_entries == 3);
}

TEST_CASE("a layer may complete what an earlier one began") {
  const std::string_view file = "[coherence]\nheartbeat_ms = 2000\n";
  CHECK_FALSE(parse(file, "f"));
  const Texts sets = {"coherence.max_staleness_ms=5000"};
  CHECK(load({file, "f", {}, sets}));
}

TEST_CASE("a file is laid over the base it is given") {
  Config base;
  base.threads = 3;
  base.listen.port = 1;
  const Config config = parse("[listen]\nport = 2\n", "f", base).value();
  CHECK(config.threads == 3);
  CHECK(config.listen.port == 2);
}

TEST_CASE("an empty file changes nothing") {
  for (const char* text : {"", "\n", "# only words\r\n", "[listen]\n", "\xef\xbb\xbf"}) {
    CHECK(parse(text, "f").value() == Config{});
  }
}

TEST_CASE("the environment sets keys and ignores what is not ours") {
  Config config;
  const Texts environment = {"PATH=/bin",
                             "TIERCACHE_THREADS=2",
                             "TIERCACHE_UPSTREAM_ADDRESS=unix:/run/r.sock",
                             "TIERCACHE_UPSTREAM_PASSWORD=a=b",
                             "TIERCACHE_LISTEN_UNIX_SOCKET_MODE=700",
                             "TIERCACHE_COMMANDS_DENY=FLUSHALL FLUSHDB",
                             "TIERCACHE_LOG_FILE="};
  REQUIRE(apply_environment(config, environment));
  CHECK(config.threads == 2);
  CHECK(config.upstream.address.path == "/run/r.sock");
  CHECK(config.upstream.password == "a=b");
  CHECK(config.listen.unix_socket_mode == 0700);
  CHECK(config.commands.deny == std::vector<std::string>{"FLUSHALL", "FLUSHDB"});
}

TEST_CASE("what Kubernetes adds for a service named tiercache is no mistake") {
  Config config;
  const Texts environment = {"TIERCACHE_PORT=tcp://10.0.0.1:6380",
                             "TIERCACHE_PORT_6380_TCP_ADDR=10.0.0.1",
                             "TIERCACHE_SERVICE_HOST=10.0.0.1"};
  CHECK(apply_environment(config, environment));
  CHECK(config == Config{});
}

TEST_CASE("a mistake in the environment leaves the configuration as it was") {
  Config config;
  const Texts environment = {"TIERCACHE_THREADS=2", "TIERCACHE_UPSTREAM_ADRESS=h:1",
                             "TIERCACHE_L1_SHARDS=many", "TIERCACHE_UPSTREAM_PASSWORD=(hidden)"};
  const auto status = apply_environment(config, environment);
  REQUIRE_FALSE(status);
  CHECK(status.error().detail ==
        "environment: unknown variable 'TIERCACHE_UPSTREAM_ADRESS'; did you mean "
        "'TIERCACHE_UPSTREAM_ADDRESS'?\n"
        "TIERCACHE_L1_SHARDS: l1.shards: expected an integer from 0 to 4096, got \"many\"\n"
        "TIERCACHE_UPSTREAM_PASSWORD: upstream.password: expected a string of at most 4096 bytes, "
        "got a string: it is what is printed in place of a secret");
  CHECK(config == Config{});
}

TEST_CASE("a set takes key=value") {
  Config config;
  CHECK(apply_set(config, "upstream.address=127.0.0.1:7000"));
  CHECK(config.upstream.address.port == 7000);
  CHECK(apply_set(config, " l1.max_memory = 1gb"));
  CHECK(config.l1.max_memory == kGib);
  CHECK(apply_set(config, "l1.enabled=false"));
  CHECK_FALSE(config.l1.enabled);
}

TEST_CASE("a bad set says what was expected") {
  const std::array<std::array<std::string_view, 2>, 5> rows = {{
      {"threads", "--set: expected key=value, got \"threads\""},
      {"thread=1", "--set: unknown key \"thread\"; did you mean 'threads'?"},
      {"threads=257", "--set threads: threads: expected an integer from 0 to 256, got 257"},
      {"threads=1.0",
       "--set threads: threads: expected an integer from 0 to 256, got a floating-point number"},
      {"upstream.password=\"a\\u0000\"",
       "--set upstream.password: upstream.password: expected a string of at most 4096 bytes, got "
       "a string: it holds a control character"},
  }};
  for (const auto& [assignment, message] : rows) {
    Config config;
    const auto status = apply_set(config, assignment);
    REQUIRE_FALSE(status);
    CHECK(status.error().detail == message);
    CHECK(config == Config{});
  }
}

TEST_CASE("bytes that are not UTF-8 are refused from every layer") {
  Config config;
  CHECK_FALSE(apply_set(config, "upstream.password=\xff\xfe"));
  CHECK_FALSE(apply_set(config, "upstream.user=\xc0\x80"));
  CHECK_FALSE(apply_set(config, "upstream.address=unix:/\xff"));
  CHECK_FALSE(parse("[upstream]\nuser = \"\xff\"\n", "f"));
  CHECK(apply_set(config, "upstream.password=p\xc3\xa4ss"));
}

TEST_CASE("a broken rule is reported where its key was written last") {
  const std::string_view file = "[coherence]\nheartbeat_ms = 2000\n";
  const auto at = [&file](Texts environment, Texts sets) {
    return load({file, "f", environment, sets}).error().detail;
  };
  const std::string rule =
      ": coherence.heartbeat_ms (2000) must be smaller than coherence.max_staleness_ms (1000)";
  CHECK(at({}, {}) == "f:2:16" + rule);
  CHECK(at({"TIERCACHE_COHERENCE_HEARTBEAT_MS=2000"}, {}) ==
        "TIERCACHE_COHERENCE_HEARTBEAT_MS" + rule);
  CHECK(at({}, {"coherence.heartbeat_ms=2000"}) == "--set coherence.heartbeat_ms" + rule);
}
