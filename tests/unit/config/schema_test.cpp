#include "tiercache/config/schema.hpp"

#include "literal.hpp"
#include "rules.hpp"
#include "text.hpp"

#include "tiercache/config/load.hpp"

#include <algorithm>
#include <set>
#include <string>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::config;

namespace {

// Two valid values of the key; one of them is not the default.
std::pair<Value, Value> two_values(const Key& key) {
  switch (key.kind) {
    case Kind::boolean:
      return {true, false};
    case Kind::text:
      return {std::string("x"), std::string("y")};
    case Kind::endpoint:
      return {std::string("unix:/x"), std::string("h:1")};
    case Kind::words:
      if (!key.choices.empty()) {
        const std::string first(key.choices.front());
        return {std::vector<std::string>{first}, std::vector<std::string>{first, "-" + first}};
      }
      return {std::vector<std::string>{"A"}, std::vector<std::string>{"A", "B"}};
    case Kind::choice: {
      const auto last = static_cast<std::int64_t>(key.choices.size()) - 1;
      return {std::int64_t{0}, last};
    }
    default:
      return {key.min, key.max};
  }
}

}  // namespace

TEST_CASE("key names are unique, also as environment variables, and sections stand together") {
  std::set<std::string> names;
  std::set<std::string> variables;
  std::set<std::string_view> sections;
  std::string_view section;
  for (const Key& key : schema()) {
    CAPTURE(key.name);
    CHECK(names.emplace(key.name).second);
    CHECK(variables.insert(environment_name(key.name)).second);
    CHECK(find_key(key.name) == &key);
    if (key.section() != section) {
      section = key.section();
      CHECK(sections.insert(section).second);
    }
  }
  CHECK(environment_name("l1.max_memory") == "TIERCACHE_L1_MAX_MEMORY");
  CHECK(find_key("l1.none") == nullptr);
}

TEST_CASE("every key reads back what it set, at both ends of its range, and no other key moves") {
  for (const Key& key : schema()) {
    CAPTURE(key.name);
    const auto [low, high] = two_values(key);
    for (const Value& value : {low, high}) {
      Config config;
      key.set(config, value);
      CHECK(key.get(config) == value);
      const auto changes = changed_keys(Config{}, config);
      const bool differs = value != key.get(Config{});
      REQUIRE(changes.size() == (differs ? 1 : 0));
      CHECK((config == Config{}) == !differs);
      if (differs) {
        CHECK(changes.front() == Change{key.name, key.reload});
      }
    }
  }
}

TEST_CASE("every default is in its key's range and keeps the rules") {
  for (const Key& key : schema()) {
    CAPTURE(key.name);
    const Config defaults;
    const Literal literal = literal_of(key, toml_of(key, key.get(defaults)));
    const auto value = to_value(key, literal);
    REQUIRE(value);
    CHECK(value.value() == key.get(defaults));
  }
  CHECK(validate(Config{}));
}

TEST_CASE("every key has a doc line and rules name keys that exist") {
  for (const Key& key : schema()) {
    CAPTURE(key.name);
    CHECK(key.doc.size() > 10);
    CHECK(key.doc.find('\n') == key.doc.npos);
    CHECK_FALSE(key.doc.ends_with('.'));
    CHECK((key.doc.front() >= 'A' && key.doc.front() <= 'Z'));
    CHECK(expectation(key).size() > 4);
  }
  for (const Rule& rule : rules()) {
    CHECK(find_key(rule.first) != nullptr);
    CHECK((rule.second.empty() || find_key(rule.second) != nullptr));
  }
}

TEST_CASE("the printed configuration parses back to the same one") {
  Config config;
  for (const Key& key : schema()) {
    const auto [low, high] = two_values(key);
    key.set(config, key.get(config) == high ? low : high);
  }
  // The values that only stand side by side.
  config.upstream.password_file.clear();
  config.upstream.password = "s\"ecret\\";
  config.upstream.sentinels = {"h:1", "[::1]:2"};
  config.upstream.nodes.clear();
  config.coherence.heartbeat = config.coherence.max_staleness - milliseconds{1};
  config.limits.client_output_pause = config.limits.client_output;
  config.handlers.webhook = "https://h/?a=b";
  config.handlers.channel.clear();
  config.handlers.of = {"notify", "command"};

  for (const Comments comments : {Comments::none, Comments::docs}) {
    const auto again = parse(to_toml(config, Secrets::reveal, comments), "printed");
    REQUIRE(again);
    CHECK(again.value() == config);
  }
}

TEST_CASE("a Cluster's nodes are addresses, and sentinels go without them") {
  for (const char* good : {"", "h:1", "10.0.0.1:7000 [::1]:2"}) {
    CAPTURE(good);
    Config config;
    CHECK(apply_set(config, concat({"upstream.nodes=", good})));
    CHECK(validate(config));
    config.upstream.sentinels = {"h:1"};
    config.upstream.master = "m";
    CHECK(bool(validate(config)) == config.upstream.nodes.empty());
  }
  Config config;
  config.upstream.nodes = {"h"};
  CHECK(!validate(config));
}

TEST_CASE("a tracking prefix may not begin with another one") {
  for (const char* good : {"", "a", "a b", "user: users: symbol:"}) {
    CAPTURE(good);
    Config config;
    CHECK(apply_set(config, concat({"coherence.tracking_prefixes=", good})));
    CHECK(validate(config));
  }
  for (const char* bad : {"user: user:1", "ab a", "x y x"}) {
    CAPTURE(bad);
    Config config;
    CHECK(apply_set(config, concat({"coherence.tracking_prefixes=", bad})));
    const auto status = validate(config);
    REQUIRE_FALSE(status);
    CHECK(status.error().detail.find("names a prefix that begins with another of them") !=
          std::string::npos);
  }
}

TEST_CASE("sentinels are addresses, and go together with the master's name") {
  for (const char* good : {"", "h:1", "h:1 [::1]:2"}) {
    CAPTURE(good);
    Config config;
    CHECK(apply_set(config, concat({"upstream.sentinels=", good})));
    config.upstream.master = config.upstream.sentinels.empty() ? "" : "main";
    CHECK(validate(config));
    config.upstream.master = config.upstream.sentinels.empty() ? "main" : "";
    CHECK(validate(config).error().detail.find("goes only together with") != std::string::npos);
  }
  for (const char* bad : {"h", "h:1 x", "unix:/a", "h:0"}) {
    CAPTURE(bad);
    Config config;
    CHECK(apply_set(config, concat({"upstream.sentinels=", bad})));
    config.upstream.master = "main";
    const auto status = validate(config);
    REQUIRE_FALSE(status);
    CHECK(status.error().detail.find("no host:port") != std::string::npos);
  }
}

TEST_CASE("a secret is hidden when printed, and the hidden text is no secret") {
  Config config;
  CHECK(to_toml(config, Secrets::hide, Comments::none).find(kHidden) == std::string::npos);
  config.upstream.password = "hunter2";
  const std::string printed = to_toml(config, Secrets::hide, Comments::docs);
  CHECK(printed.find("hunter2") == std::string::npos);
  CHECK(printed.find("password = \"(hidden)\"") != std::string::npos);
  CHECK_FALSE(parse(printed, "printed"));
  using Pair = std::pair<std::string, std::string>;
  CHECK(get_matching(config, "*.password") == std::vector<Pair>{{"upstream.password", "(hidden)"}});
}

TEST_CASE("GET answers the matching keys in the schema's order as text") {
  using Pair = std::pair<std::string, std::string>;
  const Config config;
  CHECK(get_matching(config, "*").size() == schema().size());
  CHECK(get_matching(config, "none").empty());
  CHECK(get_matching(config, "l1.max_[me]*") ==
        std::vector<Pair>{{"l1.max_memory", "256mb"}, {"l1.max_entries", "0"}});
  CHECK(get_matching(config, "listen.unix*") ==
        std::vector<Pair>{{"listen.unix_socket", ""}, {"listen.unix_socket_mode", "770"}});
  CHECK(get_matching(config, "commands.deny") ==
        std::vector<Pair>{{"commands.deny", "SHUTDOWN REPLICAOF SLAVEOF FAILOVER SYNC PSYNC"}});
}

TEST_CASE("every text that GET answers is one that a set takes back") {
  for (const auto& pair : get_matching(Config{}, "*")) {
    CAPTURE(pair.first);
    Config config;
    CHECK(apply_set(config, concat({pair.first, "=", pair.second})));
    CHECK(config == Config{});
  }
}

TEST_CASE("SET changes a live key and refuses the others") {
  Config config;
  CHECK(set_live(config, "l1.max_memory", "64mb"));
  CHECK(config.l1.max_memory == 64 * kMib);
  CHECK(set_live(config, "l1.commands", "all -HGETALL"));
  CHECK(config.l1.commands == std::vector<std::string>{"all", "-HGETALL"});
  CHECK(set_live(config, "log.level", "debug"));
  CHECK(config.log.level == LogLevel::debug);

  const Config before = config;
  const auto refusal = [&config](std::string_view name, std::string_view value) {
    const auto status = set_live(config, name, value);
    return status ? "accepted" : status.error().detail;
  };
  CHECK(refusal("l1.shards", "4") == "l1.shards can only be set at start");
  CHECK(refusal("commands.deny", "") == "commands.deny can only be set at start");
  CHECK(refusal("l1.commands", "get, -hgetal") ==
        "l1.commands: expected an array of at most 256 known words, each with a '-' in front or "
        "not, got an array: \"-hgetal\" is none of them; did you mean 'hgetall'?");
  CHECK(refusal("l1.max_memroy", "1mb") ==
        "unknown key \"l1.max_memroy\"; did you mean 'l1.max_memory'?");
  CHECK(refusal("log.level", "loud") ==
        "log.level: expected \"trace\", \"debug\", \"info\", \"warn\", \"error\" or \"off\", got "
        "\"loud\"");
  CHECK(refusal("coherence.heartbeat_ms", "1000") ==
        "coherence.heartbeat_ms (1000) must be smaller than coherence.max_staleness_ms (1000)");
  CHECK(refusal("a\r\nb", "1") == "unknown key \"a\\u000D\\u000Ab\"");
  CHECK(config == before);
}
