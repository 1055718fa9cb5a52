// The event link against a real server: what Redis does shows in L1, and what it hides is found.
#include "client.hpp"
#include "l2_event_world.hpp"
#include "redis_server.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using coherence::LinkState;
using testing::Client;
using testing::events_config;
using testing::EventWorld;
using testing::RedisServer;

namespace {

// The id of the event connection, as the server sees it.
std::string event_client(Client& client) {
  const std::string list = client.call("CLIENT", "LIST", "TYPE", "PUBSUB").text;
  return list.substr(3, list.find(' ') - 3);
}

}  // namespace

TEST_CASE("an event drops its entry, and then a fence is acknowledged") {
  RedisServer server;
  Client client(server.port());
  EventWorld world(server);
  CHECK(world.state() == LinkState::down);
  CHECK_FALSE(world.fill(0, "k"));
  REQUIRE(world.live());
  for (const char* key : {"k", "other", "with:colon __keyspace@1__:x", ""}) {
    REQUIRE(world.fill(0, key));
    REQUIRE(world.cached(0, key));
    client.call("SET", key, "v");
    REQUIRE(world.fence());
    CHECK_FALSE(world.cached(0, key));
  }
  const std::string binary("\r\n$3\r\n\0\xff", 9);
  REQUIRE(world.fill(0, binary));
  REQUIRE(world.fill(0, "bystander"));
  REQUIRE(world.fill(1, "k"));
  client.call("SET", binary, "v");
  client.call("SET", "k", "v");
  REQUIRE(world.fence());
  CHECK_FALSE(world.cached(0, binary));
  CHECK(world.cached(0, "bystander"));
  CHECK(world.cached(1, "k"));
}

TEST_CASE("a key that is larger than any buffer is heard like any other") {
  RedisServer server;
  Client client(server.port());
  EventWorld world(server);
  REQUIRE(world.live());
  REQUIRE(world.fill(0, "k"));
  const std::uint64_t losses = world.events().snapshot().losses;
  client.call("SET", std::string(3 << 20, 'x'), "v");
  client.call("SET", "k", "v");
  REQUIRE(world.fence());
  CHECK_FALSE(world.cached(0, "k"));
  CHECK(world.events().snapshot().losses == losses);
}

TEST_CASE("the server is introduced: version, run_id, role, commands") {
  RedisServer server;
  Client client(server.port());
  EventWorld world(server);
  REQUIRE(world.live());
  REQUIRE(world.loop.until([&] { return !world.commands.empty(); }));
  const auto snapshot = world.events().snapshot();
  CHECK(snapshot.state == LinkState::live);
  CHECK(snapshot.role == "master");
  CHECK(snapshot.run_id.size() == 40);
  CHECK(snapshot.connects == 1);
  CHECK(snapshot.losses == 0);
  CHECK(snapshot.canary);
  REQUIRE(world.versions.size() == 1);
  CHECK(world.versions[0] == snapshot.version + " " + snapshot.run_id);

  std::size_t top = 0;
  bool container = false;
  for (const command::LearntCommand& command : world.commands) {
    const bool sub = command.name.find('|') != std::string::npos;
    top += sub ? 0U : 1U;
    container = container || command.name == "client|id";
    if (command.name == "mset") {
      CHECK(command.arity == -3);
      CHECK(command.first_key == 1);
      CHECK(command.last_key == -1);
      CHECK(command.step == 2);
      CHECK(command.flags == std::vector<std::string>{"write", "denyoom"});
    }
  }
  CHECK(static_cast<std::int64_t>(top) == client.call("COMMAND", "COUNT").integer);
  CHECK(container);
}

TEST_CASE("a flush of the server empties L1, whichever way it is done") {
  RedisServer server;
  Client client(server.port());
  EventWorld world(server);
  REQUIRE(world.live());
  const std::vector<std::vector<std::string>> ways = {
      {"FLUSHALL"}, {"FLUSHDB"}, {"FLUSHALL", "ASYNC"}, {"FLUSHDB", "ASYNC"}, {"DEBUG", "RELOAD"}};
  for (const auto& way : ways) {
    CAPTURE(way[0]);
    REQUIRE(world.fill(0, "k"));
    const std::uint64_t before = world.generation();
    client.call(way);
    REQUIRE(world.fence());
    CHECK(world.generation() > before);
    CHECK_FALSE(world.cached(0, "k"));
  }
  CHECK(world.events().snapshot().losses == 0);
}

TEST_CASE("what is watched without a canary empties L1 for a reason only") {
  RedisServer server;
  Client client(server.port());
  client.call("FLUSHALL");
  auto config = events_config(server);
  config.link.canary = false;
  EventWorld world(config);
  REQUIRE(world.live());
  const std::uint64_t generation = world.generation();
  // Each poll asks for the flags once.
  const auto polls = [&] {
    const std::string info = client.call("INFO", "commandstats").text;
    const std::string name = "cmdstat_config|get:calls=";
    return std::stol(info.substr(info.find(name) + name.size()));
  };
  const long before = polls();
  REQUIRE(world.loop.until([&] { return polls() >= before + 10; }));
  CHECK(world.generation() == generation);
  client.call("SWAPDB", "3", "5");
  CHECK(world.loop.until([&] { return world.generation() > generation; }));
  CHECK(world.events().snapshot().losses == 0);
}

TEST_CASE("SWAPDB is found out by the canaries of both dbs") {
  RedisServer server;
  Client client(server.port());
  client.call("CONFIG", "RESETSTAT");
  EventWorld world(server);
  world.events().use_db(3);
  world.events().use_db(99);  // Redis has no such db: that harms nobody
  REQUIRE(world.live());
  client.call("SELECT", "3");
  REQUIRE(world.loop.until([&] { return !client.call("GET", "tiercache:canary:test").is_nil(); }));
  REQUIRE(world.loop.until([&] { return world.fill(3, "k"); }));
  const auto rounds = [&] {
    return client.call("INFO", "commandstats").text;
  };
  // Once the first canary of db 3 is behind us nothing is emptied for no reason.
  std::uint64_t before = 0;
  REQUIRE(world.loop.until([&] {
    before = world.generation();
    const std::uint64_t acked = world.cache.status().view().acked;
    return world.loop.until([&] { return world.cache.status().view().acked > acked + 40; }) &&
           world.generation() == before;
  }));
  CHECK_FALSE(rounds().empty());
  client.call("SWAPDB", "3", "5");
  REQUIRE(world.loop.until([&] { return world.generation() > before; }));
  CHECK_FALSE(world.cached(3, "k"));
  CHECK(world.events().snapshot().losses == 0);
}

TEST_CASE("notifications switched off are noticed, and switched on again") {
  RedisServer server;
  Client client(server.port());
  EventWorld world(server);
  REQUIRE(world.live());
  REQUIRE(world.fill(0, "k"));
  const std::uint64_t generation = world.generation();
  client.call("CONFIG", "SET", "notify-keyspace-events", "");
  REQUIRE(world.loop.until([&] { return world.state() != LinkState::live; }));
  CHECK(world.generation() > generation);
  REQUIRE(world.live());
  CHECK(world.events().snapshot().losses == 1);
  CHECK(client.call("CONFIG", "GET", "notify-keyspace-events").items.at(1).text == "AK");
}

TEST_CASE("flags that others need stay when ours are added") {
  RedisServer server({"--notify-keyspace-events", "Eg"});
  Client client(server.port());
  EventWorld world(server);
  REQUIRE(world.live());
  CHECK(client.call("CONFIG", "GET", "notify-keyspace-events").items.at(1).text == "AKE");
}

TEST_CASE("without notifications, and not allowed to set them, nothing is served") {
  RedisServer server;
  Client client(server.port());
  auto config = events_config(server);
  config.manage_notifications = false;
  EventWorld world(config);
  REQUIRE(world.loop.until([&] {
    return world.events().snapshot().last_error.find("notify-keyspace-events KA") !=
           std::string::npos;
  }));
  CHECK(world.state() == LinkState::down);
  CHECK(client.call("CONFIG", "GET", "notify-keyspace-events").items.at(1).text.empty());
  // The operator does it.
  client.call("CONFIG", "SET", "notify-keyspace-events", "Kg$lshztxed");
  REQUIRE(world.live());
}

TEST_CASE("a server that stands still is suspect, and live again without a flush") {
  RedisServer server;
  EventWorld world(server);
  REQUIRE(world.live());
  REQUIRE(world.fill(0, "k"));
  const std::uint64_t generation = world.generation();
  server.pause();
  REQUIRE(world.until_state(LinkState::suspect));
  CHECK(world.events().snapshot().state == LinkState::suspect);
  server.resume();
  REQUIRE(world.live());
  CHECK(world.generation() == generation);
  CHECK(world.cached(0, "k"));
  CHECK(world.events().snapshot().losses == 0);
}

TEST_CASE("silence that lasts ends the connection") {
  RedisServer server;
  auto config = events_config(server);
  config.link.dead_after = 400ms;
  config.connect_timeout = 200ms;
  EventWorld world(config);
  REQUIRE(world.live());
  server.pause();
  REQUIRE(world.until_state(LinkState::down));
  server.resume();
  REQUIRE(world.live());
}

TEST_CASE("a killed event connection empties L1 at once, and comes back") {
  RedisServer server;
  Client client(server.port());
  EventWorld world(server);
  REQUIRE(world.live());
  REQUIRE(world.fill(0, "k"));
  const std::uint64_t generation = world.generation();
  CHECK(client.call("CLIENT", "KILL", "ID", event_client(client)).integer == 1);
  REQUIRE(world.until_state(LinkState::down));
  CHECK(world.generation() > generation);
  REQUIRE(world.live());
  CHECK_FALSE(world.cached(0, "k"));
  CHECK(world.events().snapshot().connects == 2);
}

TEST_CASE("a restarted server is another source") {
  RedisServer server;
  EventWorld world(server);
  REQUIRE(world.live());
  const std::uint64_t source = world.cache.status().view().source;
  CHECK(source != 0);
  server.kill9();
  REQUIRE(world.until_state(LinkState::down));
  CHECK_FALSE(world.events().snapshot().last_error.empty());
  server.start();
  REQUIRE(world.live());
  CHECK(world.cache.status().view().source != source);
  CHECK(world.versions.size() == 2);
}

TEST_CASE("a demoted master is left, and served again as what it is") {
  RedisServer server;
  Client client(server.port());
  EventWorld world(server);
  REQUIRE(world.live());
  client.call("REPLICAOF", "127.0.0.1", "1");
  REQUIRE(world.loop.until([&] { return world.events().snapshot().losses == 1; }));
  REQUIRE(world.live());
  const auto snapshot = world.events().snapshot();
  CHECK(snapshot.role == "slave");
  // A replica takes no canary.
  REQUIRE(world.loop.until([&] { return !world.events().snapshot().canary; }));
}

TEST_CASE("where canaries are not wanted the server's statistics are watched") {
  RedisServer server;
  Client client(server.port());
  auto config = events_config(server);
  SUBCASE("by configuration") {
    config.link.canary = false;
  }
  SUBCASE("by refusal") {
    client.call("ACL", "SETUSER", "reader", "on", ">word", "~*", "&*", "+@all", "-set");
    config.user = "reader";
    config.password = "word";
  }
  EventWorld world(config);
  REQUIRE(world.live());
  CHECK_FALSE(world.events().snapshot().canary);
  CHECK(client.call("DBSIZE").integer == 0);
  // Until the first look at the statistics is behind us.
  REQUIRE(world.loop.until([&] {
    const std::uint64_t acked = world.cache.status().view().acked;
    const std::uint64_t before = world.generation();
    return world.loop.until([&] { return world.cache.status().view().acked > acked + 30; }) &&
           world.generation() == before;
  }));
  const std::uint64_t before = world.generation();
  client.call("SWAPDB", "0", "1");
  REQUIRE(world.loop.until([&] { return world.generation() > before; }));
  CHECK(world.events().snapshot().losses == 0);
  client.call("CONFIG", "SET", "notify-keyspace-events", "K");
  REQUIRE(world.loop.until([&] { return world.events().snapshot().losses == 1; }));
  REQUIRE(world.live());
}

TEST_CASE("a server that only says BUSY is left, with its own words, and served again after") {
  RedisServer server({"--busy-reply-threshold", "100"});
  Client script(server.port());
  Client client(server.port());
  EventWorld world(server);
  REQUIRE(world.live());
  script.send("EVAL", "while true do end", "0");
  REQUIRE(world.until_state(LinkState::down));
  REQUIRE(
      world.loop.until([&] { return world.events().snapshot().last_error.starts_with("-BUSY"); }));
  client.call("SCRIPT", "KILL");
  REQUIRE(world.live());
}

TEST_CASE("a wrong password is said, and tried again") {
  RedisServer server({"--requirepass", "secret"});
  Client client(server.port());
  client.call("AUTH", "secret");
  auto config = events_config(server);
  config.password = "wrong";
  EventWorld world(config);
  REQUIRE(world.loop.until(
      [&] { return world.events().snapshot().last_error.starts_with("-WRONGPASS"); }));
  CHECK(world.state() == LinkState::down);
  client.call("CONFIG", "SET", "requirepass", "wrong");
  REQUIRE(world.live());
}

TEST_CASE("others may ask on the control connection, each in its own db") {
  RedisServer server;
  Client client(server.port());
  client.call("SET", "k", "zero");
  client.call("SELECT", "7");
  client.call("SET", "k", "seven");
  EventWorld world(server);
  std::vector<std::string> answers;
  const auto ask = [&](std::uint32_t db) {
    world.events().query(db, {"GET", "k"}, [&](const Result<l2::Reply>& reply) {
      answers.push_back(reply ? reply.value().text : "lost: " + reply.error().detail);
    });
  };
  ask(0);
  CHECK(answers.empty());
  REQUIRE(world.loop.until([&] { return answers.size() == 1; }));
  CHECK(answers[0].starts_with("lost"));
  REQUIRE(world.live());
  answers.clear();
  for (const std::uint32_t db : {0U, 7U, 99U, 7U, 8U, 0U}) {
    ask(db);
  }
  REQUIRE(world.loop.until([&] { return answers.size() == 6; }));
  CHECK(answers == std::vector<std::string>{"zero", "seven", "ERR DB index is out of range",
                                            "seven", "", "zero"});
  server.pause();
  answers.clear();
  ask(0);
  ask(12);
  ask(0);
  server.kill9();
  REQUIRE(world.loop.until([&] { return answers.size() == 3; }));
  CHECK(answers[2].starts_with("lost"));
}

TEST_CASE("waiting ends when the event link is lost") {
  RedisServer server;
  EventWorld world(server);
  REQUIRE(world.live());
  server.pause();
  bool over = false;
  world.gate().wait(world.cache.status().view().next_ping(), [&] { over = true; });
  world.loop.drain();
  CHECK_FALSE(over);
  CHECK(world.gate().waiting() == 1);
  server.kill9();
  REQUIRE(world.loop.until([&] { return over; }));
  CHECK(world.gate().waiting() == 0);
  CHECK(world.fences.counters().timeouts == 0);
}

TEST_CASE("stopped, the event link is down for good") {
  RedisServer server;
  Client client(server.port());
  EventWorld world(server);
  REQUIRE(world.live());
  const std::uint64_t generation = world.generation();
  world.events().stop();
  CHECK(world.state() == LinkState::down);
  CHECK(world.generation() > generation);
  REQUIRE(world.loop.until([&] {
    world.loop.drain();
    return client.call("CLIENT", "LIST").text.find("sub=1") == std::string::npos;
  }));
  CHECK(world.state() == LinkState::down);
}
