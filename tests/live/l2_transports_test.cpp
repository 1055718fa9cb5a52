// The three ways of invalidation against a real server: the same promises in each, and how one is
// chosen where Redis does not allow all of them.
#include "client.hpp"
#include "l2_event_world.hpp"
#include "redis_server.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using coherence::LinkState;
using l2::Transport;
using testing::Client;
using testing::events_config;
using testing::EventWorld;
using testing::RedisServer;

namespace {

const std::vector<Transport> kAll = {Transport::keyspace, Transport::tracking, Transport::ttl};
const std::vector<Transport> kStreams = {Transport::keyspace, Transport::tracking};

l2::EventsConfig config_of(const RedisServer& server, std::vector<Transport> transports) {
  auto config = events_config(server);
  config.transports = std::move(transports);
  return config;
}

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

TEST_CASE("whatever the stream, a change drops its key in its db, and then a fence comes") {
  for (const Transport transport : kStreams) {
    CAPTURE(std::string(l2::name(transport)));
    RedisServer server;
    Client client(server.port());
    EventWorld world(config_of(server, {transport}));
    world.events().use_db(3);
    REQUIRE(world.live());
    CHECK(world.events().snapshot().transport == transport);
    const std::string binary("\r\n$3\r\n\0\xff", 9);
    for (const std::string& key : {std::string("k"), std::string(), binary}) {
      REQUIRE(world.loop.until([&] { return world.fill(0, key); }));
      REQUIRE(world.loop.until(
          [&] { return world.cached(0, "bystander") || world.fill(0, "bystander"); }));
      client.call("SET", key, "v");
      REQUIRE(world.fence());
      CHECK_FALSE(world.cached(0, key));
      CHECK(world.cached(0, "bystander"));
    }
    client.call("SELECT", "3");
    REQUIRE(world.loop.until([&] { return world.fill(3, "k") && world.cached(3, "k"); }));
    client.call("SET", "k", "v");
    REQUIRE(world.fence());
    CHECK_FALSE(world.cached(3, "k"));
    CHECK(world.events().snapshot().events > 0);
  }
}

TEST_CASE("a fence comes behind every change of a pipeline and of a transaction") {
  for (const Transport transport : kStreams) {
    CAPTURE(std::string(l2::name(transport)));
    RedisServer server;
    Client client(server.port());
    EventWorld world(config_of(server, {transport}));
    REQUIRE(world.live());
    unsigned late = 0;
    for (int round = 0; round < 300; round++) {
      const std::string key = "k" + std::to_string(round % 7);
      if (!world.fill(0, key)) {
        continue;
      }
      client.send("MULTI");
      client.send("SET", key, "v");
      client.send("EXEC");
      for (int reply = 0; reply < 3; reply++) {
        client.read();
      }
      REQUIRE(world.fence());
      late += world.cached(0, key) ? 1U : 0U;
    }
    CHECK(late == 0);
  }
}

namespace {

// Looks at L1 at the very moment a fence is acknowledged, before anything that came behind the
// PONG.
class AtFence final : public l2::Fences::Listener {
 public:
  AtFence(EventWorld& world, std::string key) : world_(world), key_(std::move(key)) {
    ping_ = world_.cache.status().view().next_ping();
    world_.fences.add(*this);
    world_.fences.request(ping_);
  }
  ~AtFence() {
    world_.fences.remove(*this);
  }
  AtFence(const AtFence&) = delete;
  AtFence& operator=(const AtFence&) = delete;
  void on_fences() override {
    if (!over && world_.cache.status().view().acked >= ping_) {
      over = true;
      stale = world_.cached(0, key_);
    }
  }
  bool sent() const {
    return world_.cache.status().view().sent >= ping_;
  }

  bool over = false;
  bool stale = false;

 private:
  EventWorld& world_;
  const std::string key_;
  std::uint64_t ping_ = 0;
};

}  // namespace

// With keyspace events the PING may be executed before the write, and its PONG then says nothing of
// it. Of tracking's two PINGs the second comes behind the whole turn.
TEST_CASE("tracking: no acknowledgement overtakes a change that Redis executes in the same turn") {
  RedisServer server;
  Client client(server.port());
  auto config = config_of(server, {Transport::tracking});
  config.link.max_staleness = 10s;
  EventWorld world(config);
  REQUIRE(world.live());
  unsigned overtaken = 0;
  for (int round = 0; round < 20; round++) {
    REQUIRE(world.loop.until([&] { return world.cached(0, "k") || world.fill(0, "k"); }));
    // The write and the PING wait in Redis's sockets for one turn.
    server.pause();
    client.send("SET", "k", "v");
    AtFence fence(world, "k");
    REQUIRE(world.loop.until([&] { return fence.sent(); }));
    server.resume();
    REQUIRE(world.loop.until([&] { return fence.over; }));
    overtaken += fence.stale ? 1U : 0U;
    client.read();
    REQUIRE(world.fence());
  }
  CHECK(overtaken == 0);
}

TEST_CASE("whatever the stream, a flush of the server empties L1") {
  for (const Transport transport : kStreams) {
    CAPTURE(std::string(l2::name(transport)));
    RedisServer server;
    Client client(server.port());
    EventWorld world(config_of(server, {transport}));
    REQUIRE(world.live());
    const std::vector<std::vector<std::string>> ways = {
        {"FLUSHALL"}, {"FLUSHDB"}, {"FLUSHALL", "ASYNC"}, {"DEBUG", "RELOAD"}};
    for (const auto& way : ways) {
      CAPTURE(way[0]);
      REQUIRE(world.loop.until([&] { return world.fill(0, "k"); }));
      const std::uint64_t before = world.generation();
      client.call(way);
      REQUIRE(world.fence());
      CHECK(world.generation() > before);
      CHECK_FALSE(world.cached(0, "k"));
    }
    REQUIRE(world.loop.until([&] { return world.fill(0, "k"); }));
    const std::uint64_t before = world.generation();
    client.call("SWAPDB", "0", "1");
    CHECK(world.loop.until([&] { return world.generation() > before; }, 2000ms));
    CHECK(world.events().snapshot().losses == 0);
  }
}

TEST_CASE("whatever the way, a lost connection empties L1 and comes back") {
  for (const Transport transport : kAll) {
    CAPTURE(std::string(l2::name(transport)));
    RedisServer server;
    Client client(server.port());
    EventWorld world(config_of(server, {transport}));
    REQUIRE(world.live());
    REQUIRE(world.loop.until([&] { return world.fill(0, "k"); }));
    const std::uint64_t generation = world.generation();
    client.call("CLIENT", "KILL", "TYPE", transport == Transport::ttl ? "NORMAL" : "PUBSUB");
    REQUIRE(world.until_state(LinkState::down));
    CHECK(world.generation() > generation);
    CHECK_FALSE(world.events().snapshot().transport);
    REQUIRE(world.live());
    CHECK_FALSE(world.cached(0, "k"));
    CHECK(world.events().snapshot().connects == 2);
    CHECK(world.events().snapshot().losses == 1);

    const std::uint64_t source = world.cache.status().view().source;
    server.kill9();
    REQUIRE(world.until_state(LinkState::down));
    server.start();
    REQUIRE(world.live());
    CHECK(world.cache.status().view().source != source);
  }
}

TEST_CASE("a stream that stands still is suspect, a server that only dies of age is left") {
  for (const Transport transport : kAll) {
    CAPTURE(std::string(l2::name(transport)));
    RedisServer server;
    auto config = config_of(server, {transport});
    if (transport == Transport::ttl) {
      config.link.dead_after = 300ms;
      config.connect_timeout = 200ms;
    }
    EventWorld world(config);
    REQUIRE(world.live());
    server.pause();
    REQUIRE(world.until_state(transport == Transport::ttl ? LinkState::down : LinkState::suspect));
    server.resume();
    REQUIRE(world.live());
  }
}

TEST_CASE("tracking: the keys of one huge turn are all heard") {
  RedisServer server;
  Client client(server.port());
  EventWorld world(config_of(server, {Transport::tracking}));
  REQUIRE(world.live());
  constexpr int kKeys = 200'000;
  const std::vector<int> sample = {0, 1, kKeys / 2, kKeys - 1};
  for (const int i : sample) {
    REQUIRE(world.loop.until([&] { return world.fill(0, "key:" + std::to_string(i)); }));
  }
  REQUIRE(world.loop.until([&] { return world.fill(0, "bystander"); }));
  const std::uint64_t before = world.events().snapshot().events;
  client.call(
      "EVAL",
      "for i = 0, " + std::to_string(kKeys - 1) + " do redis.call('SET', 'key:' .. i, 'v') end",
      "0");
  REQUIRE(world.fence());
  CHECK(world.events().snapshot().events >= before + kKeys);
  for (const int i : sample) {
    CHECK_FALSE(world.cached(0, "key:" + std::to_string(i)));
  }
  CHECK(world.cached(0, "bystander"));
  CHECK(world.events().snapshot().losses == 0);
}

TEST_CASE("tracking: with a db beyond the first 64 in use any change empties L1") {
  RedisServer server({"--databases", "100"});
  Client client(server.port());
  auto config = config_of(server, {Transport::tracking});
  config.link.canary = false;
  EventWorld world(config);
  world.events().use_db(63);
  REQUIRE(world.live());
  const auto steady = [&] {
    const std::uint64_t before = world.generation();
    client.call("SET", "other", "v");
    return world.fence() && world.generation() == before;
  };
  // Until the first look at the statistics is behind us.
  REQUIRE(world.loop.until(steady));
  world.events().use_db(99);
  REQUIRE(world.loop.until([&] { return world.fill(99, "k"); }));
  client.call("SELECT", "99");
  client.call("SET", "k", "v");
  REQUIRE(world.fence());
  CHECK_FALSE(world.cached(99, "k"));
}

TEST_CASE("tracking: only the prefixes are heard of, and the canary") {
  RedisServer server;
  Client client(server.port());
  auto config = config_of(server, {Transport::tracking});
  config.tracking_prefixes = {"user:", "symbol:"};
  EventWorld world(config);
  REQUIRE(world.live());
  CHECK(world.events().snapshot().canary);
  for (const char* key : {"user:1", "symbol:x", "other"}) {
    REQUIRE(world.loop.until([&] { return world.fill(0, key); }));
    client.call("SET", key, "v");
  }
  REQUIRE(world.fence());
  CHECK_FALSE(world.cached(0, "user:1"));
  CHECK_FALSE(world.cached(0, "symbol:x"));
  CHECK(world.cached(0, "other"));  // which is why nobody may put it there
  REQUIRE(world.loop.until([&] { return world.fill(0, "user:1"); }));
  client.call("FLUSHALL");
  REQUIRE(world.fence());
  CHECK_FALSE(world.cached(0, "user:1"));
}

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

TEST_CASE("ttl: a flush and a new server are found out by polling") {
  RedisServer server;
  Client client(server.port());
  EventWorld world(config_of(server, {Transport::ttl}));
  REQUIRE(world.live());
  const auto settled = [&] {
    REQUIRE(world.loop.until([&] { return world.fill(0, "k"); }));
    const std::uint64_t before = world.generation();
    world.loop.until([] { return false; }, 150ms);
    return world.generation() == before;
  };
  REQUIRE(world.loop.until(settled));
  for (const auto& way : {std::vector<std::string>{"FLUSHALL"}, {"SWAPDB", "0", "1"}}) {
    CAPTURE(way[0]);
    const std::uint64_t before = world.generation();
    client.call(way);
    CHECK(world.loop.until([&] { return world.generation() > before; }, 2000ms));
  }
  client.call("REPLICAOF", "127.0.0.1", "1");
  REQUIRE(world.loop.until([&] { return world.events().snapshot().losses == 1; }));
  REQUIRE(world.live());
}

TEST_CASE("intervals may change while it runs") {
  for (const Transport transport : kAll) {
    CAPTURE(std::string(l2::name(transport)));
    RedisServer server;
    EventWorld world(config_of(server, {transport}));
    REQUIRE(world.live());
    if (transport == Transport::ttl) {
      REQUIRE(world.loop.until([&] { return world.fill(0, "k") && world.cached(0, "k"); }));
      world.events().set_intervals({5ms, 100ms, 50ms});
      CHECK_FALSE(world.cached(0, "k"));  // it was to live longer
      continue;
    }
    // Nothing is late any more, however long it stands still.
    world.events().set_intervals({5ms, 15s, 50ms});
    server.pause();
    const auto suspect = [&] {
      return world.state() != LinkState::live;
    };
    CHECK_FALSE(world.loop.until(suspect, 500ms));
    world.events().set_intervals({5ms, 200ms, 50ms});
    CHECK(world.loop.until(suspect));
    server.resume();
    REQUIRE(world.live());
  }
}
