// What clients get to feel of an upstream at its limits, or that goes away.
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

constexpr std::chrono::seconds kPatience(60);

struct World {
  RedisServer redis;
  TiercacheProcess proxy;

  explicit World(std::vector<std::string> sets)
      : proxy(redis.port(), (sets.insert(sets.end(), "threads=1"), std::move(sets))) {
    proxy.wait_live();
  }
  Client client() const {
    return Client(proxy.port(), kPatience);
  }
};

}  // namespace

TEST_CASE("at the limit of connections clients get an error at once, and nobody loses one") {
  World world({"upstream.max_connections=3"});
  const std::string too_many = "ERR tiercache: too many connections to upstream 127.0.0.1:" +
                               std::to_string(world.redis.port()) + " (upstream.max_connections)";
  Client reader = world.client();
  CHECK(reader.call("SET", "k", "v").text == "OK");
  Client subscriber = world.client();
  CHECK(subscriber.call("SUBSCRIBE", "c").items.size() == 3);
  // Two are left to clients' own, the third is for all.
  Client blocked = world.client();
  CHECK(blocked.call("BLPOP", "l", "0").text == too_many);
  CHECK(blocked.call("PING").text == "PONG");
  Client transaction = world.client();
  transaction.send_raw("MULTI\r\nSET k lost\r\nEXEC\r\n");
  CHECK(transaction.read().text == too_many);
  CHECK(transaction.wait_closed(kPatience));  // what came behind counted on it
  CHECK(reader.call("GET", "k").text == "v");

  CHECK(blocked.call("SELECT", "1").text == "OK");  // the third
  CHECK(blocked.call("SELECT", "2").text == too_many);
  CHECK(blocked.call("GET", "k").is_nil());
  CHECK(reader.call("PUBLISH", "c", "m").integer == 1);
  CHECK(subscriber.read().items.at(2).text == "m");

  CHECK(world.proxy.stat("l2_links") == 3);
  CHECK(world.proxy.stat("l2_links_refused") == 3);
  const Value topology = reader.call("CACHE", "TOPOLOGY");
  CHECK(topology.find("nodes")->items.at(0).find("refused")->integer == 3);

  subscriber.close();
  REQUIRE(eventually([&] { return world.proxy.stat("l2_links") == 2; }));
  CHECK(blocked.call("SELECT", "2").text == "OK");
}

namespace {

// Keys that Redis has again when it is back.
void keep_keys(World& world, std::size_t count) {
  Client direct(world.redis.port());
  for (std::size_t i = 0; i < count; i++) {
    CHECK(direct.call("SET", "k" + std::to_string(i), std::to_string(i)).text == "OK");
  }
  CHECK(direct.call("SAVE").text == "OK");
}

// Sends them to a Redis that stands still, and ends it when they are all under way.
void lose_requests(World& world, const std::vector<Client*>& clients, const std::string& requests,
                   std::int64_t count) {
  const auto waiting = [&] {  // for what they have sent, or for another's read
    return world.proxy.stat("l2_requests") + world.proxy.stat("l1_joins");
  };
  for (Client* client : clients) {
    CHECK(client->call("SET", "w", "0").text == "OK");  // there is a connection
  }
  const std::int64_t before = waiting();
  world.redis.pause();
  for (Client* client : clients) {
    client->send_raw(requests);
  }
  REQUIRE(eventually([&] { return waiting() - before >= count; }));
  world.redis.kill9();
  world.redis.start();
}

}  // namespace

TEST_CASE("reads under way when Redis is killed are answered when it is back; writes are not") {
  World world({"upstream.retry_wait_ms=60000", "upstream.reconnect_max_ms=100"});
  keep_keys(world, 3);
  std::array<Client, 3> clients{world.client(), world.client(), world.client()};
  lose_requests(world, {&clients[0], &clients[1], &clients[2]},
                "SET w 1\r\nGET k0\r\nMGET k1 k2\r\nSTRLEN k0\r\n", 12);
  for (Client& client : clients) {
    CHECK(client.read().text ==
          "ERR tiercache: connection to upstream lost, the outcome of this command is unknown");
    CHECK(client.read().text == "0");
    CHECK(client.read().items.at(1).text == "2");
    CHECK(client.read().integer == 1);
  }
  CHECK(world.proxy.stat("l2_retries") == 9);
  CHECK(world.proxy.stat("l2_retries_refused") == 0);
  CHECK(world.proxy.stat("l2_errors") == 3);
  // What was past L1 is past L1: it is filled by what comes next.
  world.proxy.wait_live();
  CHECK(clients[0].call("GET", "k0").text == "0");
  const std::int64_t hits = world.proxy.stat("l1_hits");
  CHECK(clients[0].call("GET", "k0").text == "0");
  CHECK(world.proxy.stat("l1_hits") == hits + 1);
}

TEST_CASE("beyond the budget of retries clients get the error") {
  World world({"upstream.retry_wait_ms=60000", "upstream.retry_percent=1",
               "limits.client_pending=400", "upstream.reconnect_max_ms=100"});
  keep_keys(world, 1);
  constexpr int kReads = 300;
  std::string requests;
  for (int i = 0; i < kReads; i++) {
    requests += "STRLEN k0\r\n";
  }
  Client client = world.client();
  CHECK(client.call("CACHE", "CONFIG", "SET", "l1.commands", "get").text == "OK");
  lose_requests(world, {&client}, requests, kReads);
  int errors = 0;
  for (int i = 0; i < kReads; i++) {
    const Value reply = client.read();
    errors += reply.is_error() ? 1 : 0;
    CHECK(reply.is_error() == (reply != Value{Value::Type::integer, "", 1}));
  }
  // A hundred in ten seconds are free; of what was sent meanwhile a hundredth.
  CHECK(errors <= kReads - 100);
  CHECK(errors >= kReads - 110);
  CHECK(world.proxy.stat("l2_retries") == kReads - errors);
  CHECK(world.proxy.stat("l2_retries_refused") == errors);
}

TEST_CASE("no read fails because connections to a Redis that works are cut, again and again") {
  World world({"l1.enabled=false", "upstream.retry_percent=100", "upstream.reconnect_min_ms=1"});
  keep_keys(world, 10);
  constexpr std::size_t kClients = 4;
  std::atomic<bool> over{false};
  std::atomic<int> wrong{0};
  std::array<std::atomic<int>, kClients> rounds{};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kClients; i++) {
    threads.emplace_back([&, i] {
      Client client = world.client();
      while (!over) {
        for (int key = 0; key < 10; key++) {
          client.send("GET", "k" + std::to_string(key));
        }
        for (int key = 0; key < 10; key++) {
          wrong += client.read().text == std::to_string(key) ? 0 : 1;
        }
        rounds[i]++;
      }
    });
  }
  Client direct(world.redis.port(), kPatience);
  const bool enough = eventually([&] {
    // All of them go on, so the connection is an old one again.
    std::array<int, kClients> before{};
    for (std::size_t i = 0; i < kClients; i++) {
      before[i] = rounds[i];
    }
    if (!eventually([&] {
          for (std::size_t i = 0; i < kClients; i++) {
            if (rounds[i] < before[i] + 20) {
              return false;
            }
          }
          return true;
        })) {
      return false;
    }
    direct.call("CLIENT", "KILL", "TYPE", "normal");
    return world.proxy.stat("l2_retries") >= 50;
  });
  over = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(enough);
  CHECK(wrong == 0);
  CHECK(world.proxy.stat("l2_errors") == 0);
}

}  // namespace tiercache::testing
