// Which way of invalidation is taken, where Redis does not allow all of them, and what it has to
// allow for each.
#include "client.hpp"
#include "l2_event_world.hpp"
#include "redis_server.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using coherence::LinkState;
using l2::Transport;
using testing::Client;
using testing::config_of;
using testing::EventWorld;
using testing::RedisServer;

namespace {

const std::vector<Transport> kAll = {Transport::keyspace, Transport::tracking, Transport::ttl};
const std::vector<Transport> kStreams = {Transport::keyspace, Transport::tracking};

// Makes a user who may do nothing but this, and lets the world connect as that user.
void allow_only(Client& client, l2::EventsConfig& config, const std::vector<std::string>& rules) {
  std::vector<std::string> command = {"ACL", "SETUSER", "proxy",     "reset",
                                      "on",  ">word",   "resetkeys", "resetchannels"};
  command.insert(command.end(), rules.begin(), rules.end());
  REQUIRE(client.call(command).text == "OK");
  config.user = "proxy";
  config.password = "word";
}

std::vector<std::string> minimal_rules(Transport transport) {
  const std::vector<std::string> ttl = {"+info", "+ping", "+select", "+command"};
  std::vector<std::string> rules = ttl;
  if (transport != Transport::ttl) {
    rules.insert(rules.end(), {"+client|id", "+client|tracking", "+subscribe",
                               "&__redis__:invalidate", "+set", "~tiercache:canary:*"});
  }
  if (transport == Transport::keyspace) {
    rules.insert(rules.end(), {"+config|get", "+config|set", "+psubscribe", "&__keyspace@*__:*"});
  }
  return rules;
}

}  // namespace

TEST_CASE("a minimal user suffices in each way, and each of its rights is needed") {
  for (const Transport transport : kAll) {
    CAPTURE(std::string(l2::name(transport)));
    RedisServer server;
    Client client(server.port());
    auto config = config_of(server, {transport});
    const std::vector<std::string> rules = minimal_rules(transport);
    allow_only(client, config, rules);
    {
      EventWorld world(config);
      world.events().use_db(1);
      REQUIRE(world.live());
      CHECK(world.events().snapshot().transport == transport);
      CHECK(world.events().snapshot().canary == (transport != Transport::ttl));
      CHECK(world.loop.until([&] { return !world.commands.empty(); }));
    }
    for (const char* right : {"+client|id", "+client|tracking", "+subscribe", "+psubscribe",
                              "&__redis__:invalidate", "&__keyspace@*__:*"}) {
      CAPTURE(right);
      auto fewer = rules;
      if (std::erase(fewer, right) == 0) {
        continue;
      }
      allow_only(client, config, fewer);
      EventWorld world(config);
      REQUIRE(world.loop.until([&] {
        return world.events().snapshot().last_error.find("NOPERM") != std::string::npos;
      }));
      CHECK(world.events().snapshot().connects == 0);
    }
  }
}

TEST_CASE("auto takes keyspace events where it may") {
  RedisServer server;
  EventWorld world(config_of(server, kAll));
  REQUIRE(world.live());
  CHECK(world.events().snapshot().transport == Transport::keyspace);
  CHECK(world.events().snapshot().stepped_down.empty());
  CHECK(world.events().snapshot().connects == 1);
}

TEST_CASE("auto without CONFIG: the canary tells whether keyspace events come") {
  for (const bool events_on : {true, false}) {
    CAPTURE(events_on);
    std::vector<std::string> args = {"--rename-command", "CONFIG", ""};
    if (events_on) {
      args.insert(args.end(), {"--notify-keyspace-events", "KA"});
    }
    RedisServer server(args);
    Client client(server.port());
    EventWorld world(config_of(server, kAll));
    REQUIRE(world.live());
    const auto snapshot = world.events().snapshot();
    CHECK(snapshot.transport == (events_on ? Transport::keyspace : Transport::tracking));
    CHECK(snapshot.stepped_down.empty() == events_on);
    CHECK(snapshot.connects == 1);
    CHECK(snapshot.losses == 0);
    REQUIRE(world.fill(0, "k"));
    client.call("SET", "k", "v");
    REQUIRE(world.fence());
    CHECK_FALSE(world.cached(0, "k"));
  }
}

TEST_CASE("auto without CONFIG and with no canary to prove events: tracking") {
  RedisServer server({"--notify-keyspace-events", "KA"});
  Client client(server.port());
  auto config = config_of(server, kAll);
  SUBCASE("by configuration") {
    allow_only(client, config, {"allkeys", "allchannels", "+@all", "-config"});
    config.link.canary = false;
  }
  SUBCASE("by refusal") {
    allow_only(client, config, {"allkeys", "allchannels", "+@all", "-config", "-set"});
  }
  EventWorld world(config);
  REQUIRE(world.live());
  CHECK(world.events().snapshot().transport == Transport::tracking);
  CHECK_FALSE(world.events().snapshot().stepped_down.empty());
}

TEST_CASE("auto without CONFIG and CLIENT: entries die of age, and something better comes later") {
  RedisServer server;
  Client client(server.port());
  auto config = config_of(server, kAll);
  SUBCASE("INFO allowed") {
    allow_only(client, config, {"allkeys", "allchannels", "+@all", "-config", "-client|tracking"});
  }
  SUBCASE("INFO forbidden") {
    allow_only(client, config,
               {"allkeys", "allchannels", "+@all", "-config", "-client|tracking", "-info"});
  }
  EventWorld world(config);
  REQUIRE(world.live());
  const auto snapshot = world.events().snapshot();
  CHECK(snapshot.transport == Transport::ttl);
  CHECK(snapshot.stepped_down.find("keyspace: ") != std::string::npos);
  CHECK(snapshot.stepped_down.find("tracking: ") != std::string::npos);
  CHECK(snapshot.connects == 1);
  CHECK_FALSE(snapshot.canary);
  CHECK(world.cache.status().view().proof == coherence::Proof::age);
  CHECK(client.call("DBSIZE").integer == 0);
  REQUIRE(world.loop.until([&] { return world.fill(0, "k") && world.cached(0, "k"); }));
  // A wait for a fence, which cannot come, ends with L1 emptied.
  REQUIRE(world.fence());
  CHECK_FALSE(world.cached(0, "k"));

  allow_only(client, config, {"allkeys", "allchannels", "+@all"});
  client.call("CLIENT", "KILL", "USER", "proxy");
  REQUIRE(world.until_state(LinkState::down));
  REQUIRE(world.live());
  CHECK(world.events().snapshot().transport == Transport::keyspace);
  CHECK(world.events().snapshot().stepped_down.empty());
  CHECK(world.cache.status().view().proof == coherence::Proof::stream);
  REQUIRE(world.loop.until([&] { return world.fill(0, "k"); }));
  client.call("SET", "k", "v");
  REQUIRE(world.fence());
  CHECK_FALSE(world.cached(0, "k"));
}

TEST_CASE("auto: keyspace events taken away at run time are followed by tracking") {
  RedisServer server;
  Client client(server.port());
  auto config = config_of(server, kAll);
  allow_only(client, config, {"allkeys", "allchannels", "+@all", "-config|set"});
  client.call("CONFIG", "SET", "notify-keyspace-events", "KA");
  EventWorld world(config);
  REQUIRE(world.live());
  CHECK(world.events().snapshot().transport == Transport::keyspace);
  client.call("CONFIG", "SET", "notify-keyspace-events", "");
  REQUIRE(
      world.loop.until([&] { return world.events().snapshot().transport == Transport::tracking; }));
  REQUIRE(world.live());
  CHECK(world.events().snapshot().losses == 1);
}

TEST_CASE("what was asked for by name is never exchanged for something less") {
  RedisServer server;
  Client client(server.port());
  for (const Transport transport : kStreams) {
    CAPTURE(std::string(l2::name(transport)));
    auto config = config_of(server, {transport});
    allow_only(client, config, {"allkeys", "allchannels", "+@all", "-client|tracking"});
    EventWorld world(config);
    REQUIRE(world.loop.until([&] {
      return world.events().snapshot().last_error.starts_with("CLIENT TRACKING: -NOPERM");
    }));
    CHECK(world.state() == LinkState::down);
    CHECK(world.events().snapshot().connects == 0);
  }
}
