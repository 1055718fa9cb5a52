// What clients get to feel of an upstream at its limits, or that goes away.
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <string>
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

}  // namespace tiercache::testing
