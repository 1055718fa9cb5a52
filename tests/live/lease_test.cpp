// Leases: of all proxies that share a Redis one loads a key.
#include "sources_world.hpp"

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

// The query takes the longer the more rows it counts.
std::string lease_conf(const std::string& path, int timeout_ms, int rows) {
  return "[[source]]\nname = \"db\"\npath = \"" + path +
         "\"\ntimeout_ms = " + std::to_string(timeout_ms) +
         "\n[[namespace]]\nname = \"docs\"\nmatch = [\"doc:*\"]\ntiers = \"l1+l2+l3\"\n"
         "source = \"db\"\nkey = \"doc:{id:int}\"\nlease = true\n"
         "query = \"with recursive n(i) as (select 1 union all select i + 1 from n where i < " +
         std::to_string(rows) +
         ") select doc from t where id = :id and (select max(i) from n) > 0\"\n";
}

struct LeaseWorld {
  RedisServer redis;
  Database database;
  TiercacheProcess one;
  TiercacheProcess other;
  Client client;
  Client direct;

  explicit LeaseWorld(int timeout_ms, int rows = 200'000)
      : database(redis.directory() / "test.db"),
        one(redis.port(), {"threads=2"}, lease_conf(database.path().string(), timeout_ms, rows)),
        other(redis.port(), {"threads=2"}, lease_conf(database.path().string(), timeout_ms, rows)),
        client(one.port(), std::chrono::seconds(60)),
        direct(redis.port()) {
    one.wait_live();
    other.wait_live();
  }
  static std::int64_t docs(const TiercacheProcess& proxy, const std::string& what) {
    Client client(proxy.port());
    const std::string text = "," + client.call("CACHE", "STATS").find("namespace_docs")->text;
    const auto at = text.find("," + what + "=");
    REQUIRE(at != std::string::npos);
    return std::stoll(text.substr(at + what.size() + 2));
  }
  std::int64_t both(const std::string& what) const {
    return docs(one, what) + docs(other, what);
  }
};

}  // namespace

TEST_CASE("two proxies load a key once, and leave no lease behind") {
  constexpr int kClients = 20;
  LeaseWorld world(60'000);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kClients; i++) {
    const TiercacheProcess& proxy = i % 2 == 0 ? world.one : world.other;
    clients.push_back(std::make_unique<Client>(proxy.port(), std::chrono::seconds(60)));
  }
  // Of most keys both proxies hear while one of them loads. What is not stored, since L1 was
  // emptied meanwhile, is loaded again.
  int id = 0;
  CHECK(eventually([&] {
    const std::int64_t loads = world.both("loads");
    const std::int64_t emptied = world.both("load_not_stored");
    world.database.put(++id, "one");
    for (const auto& client : clients) {
      client->send("GET", "doc:" + std::to_string(id));
    }
    for (const auto& client : clients) {
      CHECK(client->read().text == "one");
    }
    if (world.both("load_not_stored") == emptied) {
      CHECK(world.both("loads") == loads + 1);
    }
    return world.both("load_found") >= 3;
  }));
  const std::string lease = "tiercache:lease:doc:";
  CHECK(eventually(
      [&] { return world.direct.call("EXISTS", lease + std::to_string(id)).integer == 0; }));
  // Absence is not stored, so each asks.
  CHECK(world.client.call("GET", "doc:999999").is_nil());
  CHECK(eventually([&] { return world.direct.call("EXISTS", lease + "999999").integer == 0; }));
}

TEST_CASE("while another proxy holds the lease, what it stores is the answer") {
  LeaseWorld world(60'000);
  world.database.put(1, "one");
  world.direct.call("SET", "tiercache:lease:doc:1", "another's", "PX", "600000");
  world.client.send("GET", "doc:1");
  const std::string large(100'000, 'x');
  // It has looked at least once, and goes on.
  CHECK(eventually([&] {
    return world.direct.call("INFO", "commandstats").text.find("cmdstat_get:calls=2") !=
           std::string::npos;
  }));
  world.direct.call("SET", "doc:1", large);
  CHECK(world.client.read().text == large);
  CHECK(LeaseWorld::docs(world.one, "loads") == 0);
  CHECK(LeaseWorld::docs(world.one, "load_found") == 1);
  CHECK(world.direct.call("GET", "tiercache:lease:doc:1").text == "another's");
}

TEST_CASE("a lease that ends without a value is the next one's") {
  LeaseWorld world(60'000);
  world.database.put(1, "one");
  world.direct.call("SET", "tiercache:lease:doc:1", "another's", "PX", "300");
  CHECK(world.client.call("GET", "doc:1").text == "one");
  CHECK(LeaseWorld::docs(world.one, "loads") >= 1);
}

TEST_CASE("nobody waits for a lease for longer than a load may take") {
  LeaseWorld world(200, 10);
  world.database.put(1, "one");
  world.direct.call("SET", "tiercache:lease:doc:1", "another's");
  CHECK(eventually([&] { return world.client.call("GET", "doc:1").text == "one"; }));
  CHECK(world.direct.call("GET", "tiercache:lease:doc:1").text == "another's");
}

}  // namespace tiercache::testing
