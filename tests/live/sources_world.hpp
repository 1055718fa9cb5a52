// A proxy with namespaces that load from an SQLite file, and the file.
#pragma once

#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <sqlite3.h>

namespace tiercache::testing {

// The file is the test's to write while the proxy reads it.
class Database {
 public:
  explicit Database(const std::filesystem::path& path) : path_(path) {
    REQUIRE(sqlite3_open(path.c_str(), &database_) == SQLITE_OK);
    sqlite3_busy_timeout(database_, 60'000);
    run("pragma journal_mode = wal; pragma synchronous = off;"
        "create table t (id integer primary key, doc text)");
  }
  ~Database() {
    sqlite3_close(database_);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  const std::filesystem::path& path() const {
    return path_;
  }
  void run(const std::string& sql) {
    REQUIRE(sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  void put(int id, const std::string& doc) {
    run("insert or replace into t values (" + std::to_string(id) + ", '" + doc + "')");
  }

 private:
  const std::filesystem::path path_;
  sqlite3* database_ = nullptr;
};

inline std::string sources_conf(const std::string& path, const std::string& source) {
  return "[[source]]\nname = \"db\"\npath = \"" + path + "\"\n" + source +
         "[[namespace]]\nname = \"docs\"\nmatch = [\"doc:*\"]\ntiers = \"l1+l2+l3\"\n"
         "source = \"db\"\nkey = \"doc:{id:int}\"\nl2_ttl_ms = 60000\nnegative_ttl_ms = 500\n"
         "query = \"select doc from t where id = :id\"\n"
         // The same rows, and it takes a while.
         "[[namespace]]\nname = \"slow\"\nmatch = [\"slow:*\"]\ntiers = \"l1+l2+l3\"\n"
         "source = \"db\"\nkey = \"slow:{id:int}\"\nl2_ttl_ms = 60000\nnegative_ttl_ms = 500\n"
         "query = \"with recursive n(i) as (select 1 union all select i + 1 from n where i < "
         "20000) "
         "select doc from t where id = :id and (select max(i) from n) > 0\"\n"
         "[[namespace]]\nname = \"broken\"\nmatch = [\"broken:*\"]\ntiers = \"l1+l2+l3\"\n"
         "source = \"db\"\nkey = \"broken:{id:int}\"\nquery = \"select doc from later\"\n"
         "[[namespace]]\nname = \"mild\"\nmatch = [\"mild:*\"]\ntiers = \"l1+l2+l3\"\n"
         "source = \"db\"\nkey = \"mild:{id:int}\"\nquery = \"select doc from later\"\n"
         "source_error = \"absent\"\n";
}

// A number of a line of CACHE STATS such as "loads=3,failed=0".
inline std::int64_t counted(Client& client, const std::string& line, const std::string& what) {
  const Value stats = client.call("CACHE", "STATS");
  const Value* found = stats.find(line);
  REQUIRE(found != nullptr);
  const std::string text = "," + found->text;
  const auto at = text.find("," + what + "=");
  REQUIRE(at != std::string::npos);
  return std::stoll(text.substr(at + what.size() + 2));
}

struct SourcesWorld {
  RedisServer redis;
  Database database;
  TiercacheProcess proxy;
  Client client;
  Client direct;

  explicit SourcesWorld(std::vector<std::string> sets = {"threads=2"},
                        const std::string& source = "timeout_ms = 60000\nqueue = 100000\n")
      : database(redis.directory() / "test.db"),
        proxy(redis.port(), std::move(sets), sources_conf(database.path().string(), source)),
        client(proxy.port(), std::chrono::seconds(60)),
        direct(redis.port()) {
    client.call("PING");
  }
  std::int64_t counted(const std::string& line, const std::string& what) {
    return testing::counted(client, line, what);
  }
  std::int64_t docs(const std::string& what) {
    return counted("namespace_docs", what);
  }
};

}  // namespace tiercache::testing
