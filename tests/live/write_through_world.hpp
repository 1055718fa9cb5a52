// A program that writes through to SQLite, its Redis and its database.
#pragma once

#include "sources_world.hpp"

#include <string>

#include <doctest/doctest.h>
#include <sqlite3.h>

namespace tiercache::testing {

inline constexpr const char* kUpsert =
    "insert into t values (:id, :value) on conflict (id) do update set doc = :value";

inline std::string space(const std::string& name, const std::string& write,
                         const std::string& more) {
  return "[[namespace]]\nname = \"" + name + "\"\nmatch = [\"" + name + ":*\"]\n" +
         "tiers = \"l1+l2+l3\"\nsource = \"db\"\nkey = \"" + name + ":{id:int}\"\n" +
         "query = \"select doc from t where id = :id\"\nnegative_ttl_ms = 500\n" +
         "strategy = \"write-through\"\nwrite = \"" + write + "\"\n" + more;
}

inline std::string conf(const std::string& path) {
  return "[[source]]\nname = \"db\"\npath = \"" + path + "\"\ntimeout_ms = 60000\n" +
         space("doc", kUpsert, "remove = \"delete from t where id = :id\"\nl2_ttl_ms = 60000\n") +
         space("kept", kUpsert, "l2_ttl_ms = 0\n") +
         space("picky", "insert into picky values (:id, :value)", "") +
         space("broken", "insert into later values (:id, :value)", "");
}

struct World {
  RedisServer redis;
  Database database;
  TiercacheProcess proxy;
  Client client;
  Client direct;

  World()
      : database(redis.directory() / "test.db"),
        proxy(redis.port(), {"threads=2"}, conf(database.path().string())),
        client(proxy.port(), std::chrono::seconds(60)),
        direct(redis.port()) {
    database.run("create table picky (id integer, doc text check (doc <> 'bad'))");
    client.call("PING");
  }
  // "NULL" where there is no row.
  std::string row(int id) const {
    sqlite3* reader = nullptr;
    REQUIRE(sqlite3_open(database.path().c_str(), &reader) == SQLITE_OK);
    sqlite3_busy_timeout(reader, 60'000);
    std::string text = "NULL";
    const std::string query = "select doc from t where id = " + std::to_string(id);
    CHECK(sqlite3_exec(
              reader, query.c_str(),
              [](void* out, int, char** values, char**) {
                *static_cast<std::string*>(out) = values[0] == nullptr ? "" : values[0];
                return 0;
              },
              &text, nullptr) == SQLITE_OK);
    sqlite3_close(reader);
    return text;
  }
  std::string get(Client& by, const std::string& key) {
    const Value value = by.call("GET", key);
    return value.is_nil() ? "nil" : value.text;
  }
  std::string counted(const std::string& line) {
    const Value stats = client.call("CACHE", "STATS");
    const Value* found = stats.find(line);
    REQUIRE(found != nullptr);
    return "," + found->text + ",";
  }
};

}  // namespace tiercache::testing
