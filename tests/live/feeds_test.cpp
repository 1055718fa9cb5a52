// PostgreSQL says what has changed there, and the copies go, through the real program.
#include "postgres_server.hpp"
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

struct World {
  PostgresServer database;
  RedisServer redis;
  TiercacheProcess proxy;
  Client client;

  explicit World(const std::string& more = "")
      : proxy(redis.port(), {"threads=2"}, conf(database) + more),
        client(proxy.port(), std::chrono::seconds(60)) {
    proxy.wait_live();
    REQUIRE(eventually([&] { return feed("listening") == 1; }));
  }

  static std::string conf(const PostgresServer& database) {
    database.run(
        "create table t (id int primary key, doc text);"
        "insert into t select i, 'old' from generate_series(1, 100) i");
    return "[[source]]\nname = \"db\"\nlisten = \"What changed\"\ntimeout_ms = 60000\ndsn = \"" +
           database.dsn() +
           "\"\n[[namespace]]\nname = \"docs\"\nmatch = [\"doc:*\"]\ntiers = \"l1+l2+l3\"\n"
           "source = \"db\"\nkey = \"doc:{id:int}\"\nl2_ttl_ms = 3600000\n"
           "query = \"select doc from t where id = :id\"\n";
  }
  std::int64_t feed(const std::string& what) {
    const Value stats = client.call("CACHE", "STATS");
    const Value* found = stats.find("feed_db");
    REQUIRE(found != nullptr);
    const std::string text = "," + found->text;
    const auto at = text.find("," + what + "=");
    REQUIRE(at != std::string::npos);
    return std::stoll(text.substr(at + what.size() + 2));
  }
  std::string get(int id) {
    const Value value = client.call("GET", "doc:" + std::to_string(id));
    return value.is_error() ? value.to_string() : value.text;
  }
  // Until it is in Redis.
  void load(int id, const std::string& value) {
    Client direct(redis.port());
    REQUIRE(eventually([&] {
      CHECK(get(id) == value);
      return !direct.call("GET", "doc:" + std::to_string(id)).is_nil();
    }));
  }
  void deafen() const {
    database.run(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN%' or "
        "query = 'SELECT 1'");
  }
};

}  // namespace

TEST_CASE("a notification invalidates its key, an empty one all keys of the source") {
  World world;
  for (int id = 1; id <= 3; id++) {
    world.load(id, "old");
  }
  world.client.call("SELECT", "2");
  world.load(1, "old");
  world.database.run("update t set doc = 'new'; notify \"What changed\", 'doc:1'");
  CHECK(eventually([&] { return world.get(1) == "new"; }));
  world.client.call("SELECT", "0");
  CHECK(eventually([&] { return world.get(1) == "new"; }));
  CHECK(world.get(2) == "old");
  world.database.run("notify \"What changed\"");
  CHECK(eventually([&] { return world.get(2) == "new" && world.get(3) == "new"; }));
  CHECK(world.feed("heard") == 2);
  CHECK(eventually([&] { return world.feed("pending") == 0; }));
  CHECK(world.feed("gaps") == 0);
  // One that was rolled back is none.
  world.database.run("begin; notify \"What changed\", 'doc:3'; rollback");
  world.database.run("notify \"What changed\", 'doc:none'");
  CHECK(eventually([&] { return world.feed("heard") == 3; }));
}

TEST_CASE("a channel is told of what was notified") {
  World world("[handlers]\nchannel = \"gone\"\nof = [\"notify\", \"command\"]\n");
  Client heard(world.redis.port(), std::chrono::seconds(60));
  heard.call("SUBSCRIBE", "gone");
  const auto told = [&](const std::string& what) {
    return heard.read().items.at(2).text.find("\"kind\":\"notify\"," + what) != std::string::npos;
  };
  world.client.call("SELECT", "3");
  world.database.run("notify \"What changed\", 'doc:1'");
  CHECK(told("\"scope\":\"key\",\"value\":\"doc:1\",\"db\":3"));
  CHECK(told("\"scope\":\"key\",\"value\":\"doc:1\",\"db\":0"));
  world.database.run("notify \"What changed\"");
  // Side by side, so in any order.
  const std::string texts = heard.read().items.at(2).text + heard.read().items.at(2).text;
  for (const char* db : {"3", "0"}) {
    CHECK(texts.find("\"kind\":\"notify\",\"scope\":\"namespace\",\"value\":\"docs\",\"db\":" +
                     std::string(db)) != std::string::npos);
  }
  world.client.call("CACHE", "INVALIDATE", "KEY", "doc:2");
  CHECK(heard.read().items.at(2).text.find("\"kind\":\"command\"") != std::string::npos);
}

TEST_CASE("what may have been missed while nobody listened is invalidated") {
  World world;
  world.load(1, "old");
  world.deafen();
  world.database.run("update t set doc = 'new'");
  CHECK(eventually([&] { return world.feed("gaps") >= 1; }));
  CHECK(eventually([&] { return world.get(1) == "new"; }));
  CHECK(world.feed("listening") == 1);
  // So is what the server forgets with its connections.
  world.database.crash();
  CHECK(eventually([&] { return world.feed("listening") == 0; }));
  world.database.start();
  world.database.run("update t set doc = 'newer'");
  CHECK(eventually([&] { return world.feed("gaps") >= 2; }));
  CHECK(eventually([&] { return world.get(1) == "newer"; }));
}

TEST_CASE("what Redis cannot do when it is told is done when it can") {
  World world;
  world.load(1, "old");
  Client(world.redis.port()).call("CONFIG", "SET", "save", "3600 1");
  world.redis.stop();
  REQUIRE(std::filesystem::exists(world.redis.directory() / "dump.rdb"));
  world.database.run("update t set doc = 'new'; notify \"What changed\", 'doc:1'");
  CHECK(eventually([&] { return world.feed("failed") >= 1; }));
  CHECK(world.feed("pending") == 1);
  world.redis.start();
  CHECK(Client(world.redis.port()).call("GET", "doc:1").text == "old");
  CHECK(eventually([&] { return world.feed("pending") == 0; }));
  CHECK(eventually([&] { return world.get(1) == "new"; }));
}

}  // namespace tiercache::testing
