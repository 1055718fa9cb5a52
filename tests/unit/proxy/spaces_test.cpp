#include "tiercache/proxy/spaces.hpp"

#include "tiercache/command/table.hpp"

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy;
using coherence::Fill;
using coherence::Proof;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

std::uint16_t position(std::string_view name) {
  const command::Table& table = *command::Table::builtin();
  return static_cast<std::uint16_t>(table.find_name(name) - table.commands().data());
}

struct World {
  config::Config config;
  std::unique_ptr<Spaces> spaces;

  World() {
    config.namespaces.resize(3);
    config.namespaces[0].name = "passed";
    config.namespaces[0].match = {"p*"};
    config.namespaces[0].tiers = config::Tiers::l2;
    config.namespaces[1].name = "bare";
    config.namespaces[1].match = {"b*"};
    config.namespaces[2].name = "own";
    config.namespaces[2].match = {"o*"};
    config.namespaces[2].commands = {"get"};
    config.namespaces[2].ttl = seconds(100);
    config.namespaces[2].jitter_percent = 50;
    config.namespaces[2].negative_ttl = milliseconds(7);
    config.namespaces[2].max_value = 9;
    config.namespaces[2].max_staleness = milliseconds(3);
    config.l1.commands = {"all", "-hget"};
    spaces = std::make_unique<Spaces>(config);
    spaces->configure(config, *command::Table::builtin());
  }
  Fill limited(std::string_view key, KeyHash hash, Proof proof = Proof::stream) const {
    Fill fill;
    spaces->limit(fill, spaces->find(key), hash, Time(seconds(1)), proof);
    return fill;
  }
};

}  // namespace

TEST_CASE("which reads are kept is the namespace's, or what L1 keeps") {
  const World world;
  const Spaces& spaces = *world.spaces;
  const auto keeps = [&](std::string_view key, std::string_view command) {
    return spaces.keeps(spaces.find(key), position(command));
  };
  CHECK(keeps("x", "get"));
  CHECK_FALSE(keeps("x", "hget"));
  CHECK_FALSE(keeps("p", "get"));
  CHECK_FALSE(keeps("p", "ttl"));
  CHECK(keeps("b", "strlen"));
  CHECK_FALSE(keeps("b", "hget"));
  CHECK(keeps("o", "get"));
  CHECK_FALSE(keeps("o", "strlen"));
  CHECK(spaces.max_value(spaces.find("x")) == world.config.l1.max_value);
  CHECK(spaces.max_value(spaces.find("b")) == world.config.l1.max_value);
  CHECK(spaces.max_value(spaces.find("o")) == 9);
  CHECK(spaces.max_staleness(spaces.find("b")) == Duration::max());
  CHECK(spaces.max_staleness(spaces.find("o")) == milliseconds(3));
}

TEST_CASE("a change of L1's settings reaches the namespaces that leave them to it") {
  World world;
  world.config.l1.commands = {"strlen"};
  world.config.l1.max_value = 5;
  world.spaces->configure(world.config, *command::Table::builtin());
  const Spaces& spaces = *world.spaces;
  CHECK_FALSE(spaces.keeps(spaces.find("b"), position("get")));
  CHECK(spaces.keeps(spaces.find("b"), position("strlen")));
  CHECK(spaces.keeps(spaces.find("o"), position("get")));
  CHECK(spaces.max_value(spaces.find("b")) == 5);
  CHECK(spaces.max_value(spaces.find("o")) == 9);
}

TEST_CASE("a fill lives as its namespace says, by its age no longer than its bound") {
  const World world;
  CHECK(world.limited("x", 1).max_ttl == Fill::kAsConfigured);
  CHECK(world.limited("b", 1).max_ttl == Fill::kAsConfigured);
  CHECK(world.limited("b", 1).negative_ttl == Fill::kAsConfigured);
  const Fill own = world.limited("o", 1);
  CHECK(own.max_ttl <= seconds(100));
  CHECK(own.max_ttl >= seconds(50));
  CHECK(own.negative_ttl == milliseconds(7));
  CHECK(own.max_ttl != world.limited("o", 2).max_ttl);
  const Fill aged = world.limited("o", 1, Proof::age);
  CHECK(aged.max_ttl == milliseconds(3));
  CHECK(aged.negative_ttl == milliseconds(3));
  CHECK(world.limited("b", 1, Proof::age).max_ttl == Fill::kAsConfigured);
}

TEST_CASE("each namespace is counted for itself, keys of none are not") {
  const World world;
  Spaces& spaces = *world.spaces;
  spaces.count(spaces.find("x"), SpaceCounter::hits);
  spaces.count(spaces.find("o"), SpaceCounter::hits);
  spaces.count(spaces.find("o"), SpaceCounter::hits);
  spaces.count(spaces.find("b"), SpaceCounter::writes);
  CHECK(to_text(spaces.sums(3)) == "hits=2,misses=0,fills=0,refused=0,passed=0,writes=0");
  CHECK(to_text(spaces.sums(2)) == "hits=0,misses=0,fills=0,refused=0,passed=0,writes=1");
  CHECK(to_text(spaces.sums(0)) == "hits=0,misses=0,fills=0,refused=0,passed=0,writes=0");
}
