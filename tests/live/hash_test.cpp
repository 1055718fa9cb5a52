// Rows that become hashes in Redis, through the real program.
#include "sources_world.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

struct HashWorld {
  RedisServer redis;
  Database database;
  TiercacheProcess proxy;
  Client client;
  Client direct;

  explicit HashWorld(const std::string& how = "", std::vector<std::string> sets = {"threads=2"},
                     const std::string& query = "select name, note, n from people where id = :id")
      : database(redis.directory() / "test.db"),
        proxy(redis.port(), std::move(sets), conf(database.path().string(), how, query)),
        client(proxy.port(), std::chrono::seconds(60)),
        direct(redis.port()) {
    database.run("create table people (id integer primary key, name text, note text, n integer)");
    proxy.wait_live();
  }
  static std::string conf(const std::string& path, const std::string& how,
                          const std::string& query) {
    return "[[source]]\nname = \"db\"\npath = \"" + path + "\"\ntimeout_ms = 60000\n" +
           "[[namespace]]\nname = \"people\"\nmatch = [\"person:*\"]\ntiers = \"l1+l2+l3\"\n"
           "source = \"db\"\nkey = \"person:{id:int}\"\nresult = \"hash\"\n"
           "query = \"" +
           query + "\"\n" +
           (how.find("negative_ttl_ms") == how.npos ? "negative_ttl_ms = 0\n" : "") +
           (how.find("l2_ttl_ms") == how.npos ? "l2_ttl_ms = 60000\n" : "") + how +
           "[[namespace]]\nname = \"docs\"\nmatch = [\"doc:*\"]\ntiers = \"l1+l2+l3\"\n"
           "source = \"db\"\nkey = \"doc:{id:int}\"\nnegative_ttl_ms = 0\n"
           "query = \"select name from people where id = :id\"\n";
  }
  void put(int id, const std::string& name, const std::string& note = "null",
           const std::string& n = "null") {
    database.run("insert or replace into people values (" + std::to_string(id) + ", '" + name +
                 "', " + note + ", " + n + ")");
  }
  std::int64_t people(const std::string& what) {
    const std::string text = "," + client.call("CACHE", "STATS").find("namespace_people")->text;
    const auto at = text.find("," + what + "=");
    REQUIRE(at != std::string::npos);
    return std::stoll(text.substr(at + what.size() + 2));
  }
  // Loaded, and in Redis. (It is not stored if L1 is emptied meanwhile.)
  void load(const std::string& key) {
    CHECK(eventually([&] {
      client.call("HGETALL", key);
      return direct.call("TYPE", key).text == "hash";
    }));
  }
};

std::vector<std::string> texts(const Value& value) {
  std::vector<std::string> all;
  for (const Value& one : value.items) {
    all.push_back(one.is_nil() ? "nil" : one.text);
  }
  return all;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a row is a hash, loaded by whatever reads a hash, and the same from Redis and L1") {
  HashWorld world;
  for (int id = 1; id <= 9; id++) {
    world.put(id, "Ann", "''", id == 5 ? "null" : "42");
  }
  const Texts all{"name", "Ann", "note", "", "n", "42"};
  const std::vector<std::function<void(const std::string&)>> reads = {
      [&](const std::string& key) { CHECK(world.client.call("HGET", key, "name").text == "Ann"); },
      [&](const std::string& key) {
        CHECK(texts(world.client.call("HMGET", key, "n", "none", "note")) ==
              Texts{"42", "nil", ""});
      },
      [&](const std::string& key) { CHECK(texts(world.client.call("HGETALL", key)) == all); },
      [&](const std::string& key) {
        CHECK(world.client.call("HEXISTS", key, "note").integer == 1);
      },
      [&](const std::string& key) { CHECK(world.client.call("HLEN", key).integer == 2); },
      [&](const std::string& key) {
        CHECK(texts(world.client.call("HKEYS", key)) == Texts{"name", "note", "n"});
      },
      [&](const std::string& key) {
        CHECK(texts(world.client.call("HVALS", key)) == Texts{"Ann", "", "42"});
      },
      [&](const std::string& key) {
        CHECK(world.client.call("HSTRLEN", key, "name").integer == 3);
      },
      [&](const std::string& key) { CHECK(world.client.call("EXISTS", key).integer == 1); },
  };
  for (std::size_t i = 0; i < reads.size(); i++) {
    CAPTURE(i);
    const std::string key = "person:" + std::to_string(i + 1);
    const std::int64_t loads = world.people("loads");
    reads[i](key);
    CHECK(world.people("loads") == loads + 1);
    // A reply of Redis's own, and one of L1.
    world.load(key);
    const std::int64_t hits = world.people("hits");
    CHECK(eventually([&] {
      reads[i](key);
      return world.people("hits") > hits;
    }));
  }
  CHECK(world.direct.call("HGETALL", "person:5").items.size() == 4);
  const std::int64_t ttl = world.direct.call("PTTL", "person:1").integer;
  CHECK(ttl > 0);
  CHECK(ttl <= 60'000);
  CHECK(world.client.call("CACHE", "EXPLAIN", "person:1").find("result")->text == "hash");
  CHECK(world.client.call("CACHE", "EXPLAIN", "doc:1").find("result")->text == "value");
  // A field that the hash has not is not asked for.
  const std::int64_t loads = world.people("loads");
  CHECK(world.client.call("HGET", "person:1", "none").is_nil());
  CHECK(world.client.call("HEXISTS", "person:1", "none").integer == 0);
  CHECK(world.people("loads") == loads);
  // What is in Redis goes before the source.
  world.direct.call("HSET", "person:10", "name", "from Redis");
  CHECK(world.client.call("HGET", "person:10", "name").text == "from Redis");
  CHECK(world.people("loads") == loads);
}

TEST_CASE("no row, and a row of NULLs, is a missing key, and remembered as one") {
  HashWorld world("negative_ttl_ms = 3600000\n");
  world.database.run("insert into people values (2, null, null, null)");
  for (const char* key : {"person:1", "person:2"}) {
    CAPTURE(key);
    CHECK(world.client.call("HGET", key, "name").is_nil());
    CHECK(texts(world.client.call("HMGET", key, "name", "n")) == Texts{"nil", "nil"});
    CHECK(world.client.call("HGETALL", key).items.empty());
    CHECK(world.client.call("HLEN", key).integer == 0);
    CHECK(world.client.call("HEXISTS", key, "name").integer == 0);
    CHECK(world.client.call("EXISTS", key).integer == 0);
  }
  CHECK(world.people("load_absent") == 2);
  CHECK(world.direct.call("DBSIZE").integer == 0);
  world.put(1, "Ann");
  world.client.call("CACHE", "INVALIDATE", "KEY", "person:1");
  CHECK(world.client.call("HGET", "person:1", "name").text == "Ann");
  world.client.call("HELLO", "3");
  CHECK(world.client.call("HGET", "person:3", "name").is_nil());
  CHECK(world.client.last_raw() == "_\r\n");
  world.client.call("HGETALL", "person:4");
  CHECK(world.client.last_raw() == "%0\r\n");
  world.client.call("HMGET", "person:5", "name");
  CHECK(world.client.last_raw() == "*1\r\n_\r\n");
  // Not a key of the source's.
  CHECK(world.client.call("HGET", "person:x", "name").is_nil());
}

TEST_CASE("reads of the other type are errors, whether Redis has the key or not") {
  HashWorld world;
  world.put(1, "Ann");
  for (const Texts& read : {Texts{"GET", "person:1"}, Texts{"STRLEN", "person:1"},
                            Texts{"GETRANGE", "person:1", "0", "1"}}) {
    CAPTURE(read[0]);
    CHECK(world.client.call(read).text ==
          "WRONGTYPE tiercache: namespace 'people' holds hashes, and this command reads strings");
  }
  CHECK(world.client.call("MGET", "person:1", "doc:1").items[0].is_nil());
  CHECK(world.people("loads") == 0);
  CHECK(world.client.call("GET", "person:x").is_nil());
  world.load("person:1");
  CHECK(world.client.call("GET", "person:1").text.starts_with("WRONGTYPE Operation"));
  CHECK(world.client.call("MGET", "person:1", "doc:1").items[0].is_nil());
  // And where there are strings.
  CHECK(world.client.call("HGET", "doc:2", "name").is_nil());
  CHECK(world.client.call("GET", "doc:1").text == "Ann");
}

TEST_CASE("a query that is no hash is an error that says why") {
  HashWorld world("", {"threads=2"}, "select name, id as name from people where id = :id");
  world.put(1, "Ann");
  CHECK(world.client.call("HGETALL", "person:1").text ==
        "ERR tiercache: source 'db' of namespace 'people': two of the fields are called 'name'");
  CHECK(world.people("load_failed") == 1);
}

TEST_CASE("a wide row is stored whole") {
  std::string columns;
  for (int i = 0; i < 1900; i++) {
    columns += (i > 0 ? "," : "") + std::to_string(i) + " as f" + std::to_string(i);
  }
  HashWorld world("l2_ttl_ms = 0\n", {"threads=2"}, "select * from wide where :id > 0");
  world.database.run("create table wide as select " + columns);
  CHECK(world.client.call("HLEN", "person:1").integer == 1900);
  world.load("person:1");
  CHECK(world.direct.call("HLEN", "person:1").integer == 1900);
  CHECK(world.direct.call("HGET", "person:1", "f1899").text == "1899");
  CHECK(world.direct.call("PTTL", "person:1").integer == -1);
}

TEST_CASE("many clients that ask different things of one cold hash are one load") {
  HashWorld world("", {"threads=2"},
                  "with recursive n(i) as (select 1 union all select i + 1 from n where i < 500000)"
                  "select name, n from people where id = :id and (select max(i) from n) > 0");
  world.put(1, "Ann", "null", "42");
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 100; i++) {
    clients.push_back(std::make_unique<Client>(world.proxy.port(), std::chrono::seconds(60)));
    const Texts asks[] = {{"HGET", "person:1", "name"},
                          {"HGET", "person:1", "n"},
                          {"HLEN", "person:1"},
                          {"HGETALL", "person:1"}};
    clients.back()->send(asks[i % 4]);
  }
  for (int i = 0; i < 100; i++) {
    const Value value = clients[static_cast<std::size_t>(i)]->read();
    switch (i % 4) {
      case 0:
        CHECK(value.text == "Ann");
        break;
      case 1:
        CHECK(value.text == "42");
        break;
      case 2:
        CHECK(value.integer == 2);
        break;
      default:
        CHECK(texts(value) == Texts{"name", "Ann", "n", "42"});
        break;
    }
  }
  CHECK(world.people("loads") == 1 + world.people("load_not_stored"));
}

TEST_CASE("a stale hash is served, loaded anew, and no field that another has written is lost") {
  HashWorld world("l2_ttl_ms = 300\nstale_while_revalidate_ms = 600000\n");
  world.put(1, "old", "'kept'", "1");
  world.load("person:1");
  CHECK(world.direct.call("PTTL", "person:1").integer > 590'000);
  world.put(1, "new", "null", "1");
  Texts seen;
  CHECK(eventually([&] {
    const std::string text = world.client.call("HGET", "person:1", "name").text;
    if (seen.empty() || seen.back() != text) {
      seen.push_back(text);
    }
    return text == "new";
  }));
  CHECK(seen.front() == "old");
  CHECK(seen.size() <= 2);
  CHECK(world.people("stale") > 0);
  CHECK(texts(world.direct.call("HGETALL", "person:1")) == Texts{"name", "new", "n", "1"});
  CHECK(world.direct.call("PTTL", "person:1").integer > 590'000);
  // It goes with its row.
  world.database.run("delete from people");
  CHECK(eventually([&] { return world.client.call("HGETALL", "person:1").items.empty(); }));
  CHECK(world.direct.call("EXISTS", "person:1").integer == 0);
}

TEST_CASE("a hash is served while its source fails, and softened by CACHE INVALIDATE SOFT") {
  HashWorld world("l2_ttl_ms = 60000\nstale_if_error_ms = 600000\n");
  world.put(1, "Ann");
  world.load("person:1");
  world.database.run("alter table people rename to away");
  world.client.call("CACHE", "INVALIDATE", "SOFT", "KEY", "person:1");
  CHECK(eventually([&] {
    CHECK(world.client.call("HGET", "person:1", "name").text == "Ann");
    return world.people("stale_on_error") > 0;
  }));
  CHECK(world.client.call("HGET", "person:2", "name").text.starts_with("ERR tiercache: source"));
  world.database.run("alter table away rename to people");
  world.put(1, "Bob");
  CHECK(eventually([&] { return world.client.call("HGET", "person:1", "name").text == "Bob"; }));
}

TEST_CASE("with a lease two proxies load a hash once") {
  const std::string how = "lease = true\n";
  const std::string query =
      "with recursive n(i) as (select 1 union all select i + 1 from n where i < 500000)"
      "select name, n from people where id = :id and (select max(i) from n) > 0";
  HashWorld world(how, {"threads=2"}, query);
  TiercacheProcess other(world.redis.port(), {"threads=2"},
                         HashWorld::conf(world.database.path().string(), how, query));
  other.wait_live();
  world.put(1, "Ann", "null", "42");
  Client second(other.port(), std::chrono::seconds(60));
  world.client.send("HGETALL", "person:1");
  CHECK(eventually([&] {
    return world.direct.call("EXISTS", "tiercache:lease:person:1").integer == 1 ||
           world.direct.call("EXISTS", "person:1").integer == 1;
  }));
  CHECK(second.call("HGET", "person:1", "n").text == "42");
  CHECK(texts(world.client.read()) == Texts{"name", "Ann", "n", "42"});
  const std::string text = "," + second.call("CACHE", "STATS").find("namespace_people")->text;
  CHECK((world.people("load_not_stored") > 0 || text.find(",loads=0,") != text.npos));
}

TEST_CASE("a hash is loaded where L1 keeps none, and while Redis is away") {
  HashWorld world("", {"threads=1", "l1.commands=[\"get\"]"});
  world.put(1, "Ann", "null", "42");
  CHECK(world.client.call("HGET", "person:1", "n").text == "42");
  CHECK(world.client.call("HLEN", "person:1").integer == 2);
  CHECK(world.people("hits") == 0);
  world.redis.kill9();
  CHECK(eventually([&] { return world.client.call("HGET", "person:1", "n").text == "42"; }));
  CHECK(eventually([&] {
    return world.client.call("GET", "person:1").text.starts_with("WRONGTYPE tiercache");
  }));
}

// As the same test of strings.
TEST_CASE("no older field is seen once an invalidation is acknowledged") {
  HashWorld world;
  constexpr int kKeys = 3;
  constexpr int kRounds = 150;
  std::atomic<int> acknowledged[kKeys] = {};
  for (int key = 0; key < kKeys; key++) {
    world.put(key, "0", "null", "0");
  }
  std::atomic<bool> done{false};
  std::atomic<int> older{0};
  std::atomic<int> reads{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; t++) {
    readers.emplace_back([&, t] {
      Client client(world.proxy.port(), std::chrono::seconds(60));
      for (int i = t; !done; i++) {
        const int key = i % kKeys;
        const int least = acknowledged[key];
        const std::string name = "person:" + std::to_string(key);
        const Value value = i % 2 == 0 ? client.call("HGET", name, "n")
                                       : client.call("HMGET", name, "n").items.at(0);
        older += value.is_error() || value.is_nil() || std::stoi(value.text) < least ? 1 : 0;
        reads++;
      }
    });
  }
  for (int round = 1; round <= kRounds; round++) {
    const int key = round % kKeys;
    const std::string name = "person:" + std::to_string(key);
    world.put(key, "x", "null", std::to_string(round));
    if (round / kKeys % 2 == 0) {
      world.client.call("DEL", name);
    } else {
      world.client.call("CACHE", "INVALIDATE", "KEY", name);
    }
    acknowledged[key] = round;
    const int before = reads;
    CHECK(eventually([&] { return reads >= before + 6; }));
  }
  done = true;
  for (std::thread& reader : readers) {
    reader.join();
  }
  CHECK(older == 0);
  CHECK(world.people("load_stored") > 0);
}

}  // namespace tiercache::testing
