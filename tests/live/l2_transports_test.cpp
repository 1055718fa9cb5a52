// The three ways of invalidation against a real server: the same promises in each.
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
using testing::config_of;
using testing::EventWorld;
using testing::RedisServer;

namespace {

const std::vector<Transport> kAll = {Transport::keyspace, Transport::tracking, Transport::ttl};
const std::vector<Transport> kStreams = {Transport::keyspace, Transport::tracking};

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
  // No other PINGs: a turn that has begun for one takes the fence's first along, and the write
  // comes in the next turn, maybe with the second. (It is not executed before the fence then.)
  config.link.heartbeat = 5s;
  config.link.canary_interval = 60s;
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
    CHECK(world.loop.until([&] { return world.generation() > before; }));
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
  // Where the turn took long nothing is served for a moment; what has gone would stay away.
  CHECK(world.loop.until([&] { return world.cached(0, "bystander"); }));
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
    CHECK(world.loop.until([&] { return world.generation() > before; }));
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
