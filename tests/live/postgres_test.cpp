// Sources in PostgreSQL, through the real program.
#include "postgres_server.hpp"
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <libpq-fe.h>

namespace tiercache::testing {

namespace {

std::string space(const std::string& name, const std::string& kind, const std::string& more,
                  const std::string& query) {
  return "[[namespace]]\nname = \"" + name + "\"\nmatch = [\"" + name + ":*\"]\n" +
         "tiers = \"l1+l2+l3\"\nsource = \"db\"\nkey = \"" + name + ":{id" + kind + "}\"\n" +
         "negative_ttl_ms = 0\n" + more + "query = \"" + query + "\"\n";
}

std::string conf(const std::string& dsn, const std::string& source) {
  return "[[source]]\nname = \"db\"\ndsn = \"" + dsn + "\"\n" + source +
         space("one", ":int", "", "select doc from t where id = :id") +
         space("many", ":int", "batch = 100\n", "select id, doc from t where id = any(:id)") +
         space("name", "", "batch = 100\n", "select name, doc from t where name = any(:id)") +
         space("raw", ":int", "", "select convert_to(doc, 'UTF8') from t where id = :id") +
         space(
             "uuid", "", "batch = 100\n",
             "select u, 'known' from (values ('6f9619ff-8b86-d011-b42d-00cf4fc964ff'::uuid)) v(u) "
             "where u = any(:id::uuid[])") +
         space("write", ":int", "", "insert into t values (:id, 'x', 'x') returning doc") +
         space("asleep", ":int", "", "select pg_sleep(60)::text where :id > 0") +
         space("held", ":int", "", "select pg_advisory_xact_lock_shared(:id)::text") +
         space("row", ":int", "result = \"hash\"\n", "select * from t where id = :id") +
         space("rows", ":int", "result = \"hash\"\nbatch = 100\n",
               "select id as key, name, doc, convert_to(doc, 'UTF8') as raw, null as none from t "
               "where id = any(:id)") +
         space("bare", ":int", "result = \"hash\"\n", "select from t where id = :id") +
         space("lone", ":int", "result = \"hash\"\nbatch = 100\n",
               "select id from t where id = any(:id)") +
         space("wide", ":int", "", "select id, doc from t where id = :id");
}

struct World {
  PostgresServer database;
  RedisServer redis;
  std::unique_ptr<TiercacheProcess> proxy;
  std::unique_ptr<Client> client;

  explicit World(const std::string& source = "timeout_ms = 60000\nqueue = 100000\n",
                 int rows = 10'000) {
    database.run(
        "create table t (id int primary key, name text unique, doc text);"
        "insert into t select i, 'n' || i, 'doc ' || i from generate_series(1, " +
        std::to_string(rows) + ") i; analyze t");
    proxy = std::make_unique<TiercacheProcess>(redis.port(), std::vector<std::string>{"threads=2"},
                                               conf(database.dsn(), source));
    client = std::make_unique<Client>(proxy->port(), std::chrono::seconds(60));
    proxy->wait_live();
  }
  std::int64_t counted(const std::string& what) {
    const Value stats = client->call("CACHE", "STATS");
    const Value* found = stats.find("source_db");
    REQUIRE(found != nullptr);
    const std::string text = "," + found->text;
    const auto at = text.find("," + what + "=");
    REQUIRE(at != std::string::npos);
    return std::stoll(text.substr(at + what.size() + 2));
  }
  // All keys of a namespace, so many at a time.
  void get_all(const std::string& name, int keys) {
    constexpr int kPipeline = 1000;
    for (int begin = 1; begin <= keys; begin += kPipeline) {
      const int end = std::min(begin + kPipeline, keys + 1);
      std::string requests;
      for (int i = begin; i < end; i++) {
        const std::string key = name + ":" + std::to_string(i);
        requests += Client::encode(std::vector<std::string_view>{"GET", key});
      }
      client->send_raw(requests);
      for (int i = begin; i < end; i++) {
        CHECK(client->read().text == "doc " + std::to_string(i));
      }
    }
  }
  std::string get(const std::string& key) {
    const Value value = client->call("GET", key);
    return value.is_nil() ? "nil" : value.text;
  }
};

}  // namespace

TEST_CASE("PostgreSQL: values, absence, and what is wrong") {
  World world;
  CHECK(world.get("one:7") == "doc 7");
  CHECK(world.get("one:70000") == "nil");
  CHECK(world.get("one:9223372036854775807") == "nil");
  CHECK(world.get("many:7") == "doc 7");
  CHECK(world.get("many:70000") == "nil");
  CHECK(world.get("raw:7") == "doc 7");
  CHECK(world.get("name:n9") == "doc 9");
  CHECK(world.get("name:n9' or '1'='1") == "nil");
  CHECK(world.get("name:{\"}\\") == "nil");
  CHECK(world.get("name:\xff") == "nil");
  CHECK(world.get("name:" + std::string("a\0b", 3)) == "nil");
  world.database.run("insert into t values (-1, '{\"}\\', 'quoted'), (-2, 'null', null)");
  CHECK(world.get("name:{\"}\\") == "quoted");
  CHECK(world.get("name:null") == "nil");
  CHECK(world.get("wide:7") ==
        "ERR tiercache: source 'db' of namespace 'wide': the query does not yield exactly one "
        "column");
  CHECK(world.get("write:70001").find("read-only transaction") != std::string::npos);
  CHECK(world.database.run("select count(*) from t where id = 70001") == "0");
}

TEST_CASE("PostgreSQL: rows that become hashes, one by one and in batches") {
  World world;
  const auto all = [&](const std::string& key) {
    std::string text;
    const Value value = world.client->call("HGETALL", key);
    for (const Value& one : value.items) {
      text += one.text + ";";
    }
    return value.is_error() ? value.text : text;
  };
  CHECK(all("row:7") == "id;7;name;n7;doc;doc 7;");
  CHECK(all("row:70000").empty());
  CHECK(world.client->call("HGET", "row:70000", "id").is_nil());
  for (int i = 1; i <= 300; i++) {
    world.client->send("HGETALL", "rows:" + std::to_string(i));
  }
  for (int i = 1; i <= 300; i++) {
    const std::string number = std::to_string(i);
    const Value value = world.client->read();
    REQUIRE(value.items.size() == 6);
    CHECK(value.items[1].text == "n" + number);
    CHECK(value.items[4].text == "raw");
    CHECK(value.items[5].text == "doc " + number);
  }
  CHECK(world.counted("queries") < 200);
  const std::string error = "ERR tiercache: source 'db' of namespace '";
  CHECK(all("bare:7") == error + "bare': the query yields no column that could be a field");
  CHECK(all("lone:7") == error + "lone': the query yields no column that could be a field");
  world.database.run("alter table t add column more text default 'x'");
  CHECK(eventually([&] { return all("row:9") == "id;9;name;n9;doc;doc 9;more;x;"; }));
}

TEST_CASE("PostgreSQL: one key that the query cannot take does not fail those that go with it") {
  World world("timeout_ms = 60000\nconcurrency = 1\n");
  Client reader(world.proxy->port(), std::chrono::seconds(60));
  // The only connection is kept waiting until both are behind it.
  std::unique_ptr<PGconn, decltype(&PQfinish)> holder(PQconnectdb(world.database.dsn().c_str()),
                                                      &PQfinish);
  PQclear(PQexec(holder.get(), "select pg_advisory_lock(1)"));
  reader.send("GET", "held:1");
  CHECK(eventually([&] { return world.counted("running") == 1; }));
  reader.send("GET", "uuid:none");
  reader.send("GET", "uuid:6f9619ff-8b86-d011-b42d-00cf4fc964ff");
  CHECK(eventually([&] { return world.counted("waiting") == 2; }));
  holder.reset();
  CHECK(reader.read().text.empty());
  CHECK(reader.read().text.find("invalid input syntax for type uuid") != std::string::npos);
  CHECK(reader.read().text == "known");
  CHECK(world.counted("queries") == 2);
}

TEST_CASE("PostgreSQL: many cold keys are few queries, and never more at a time than allowed") {
  World world("concurrency = 3\ntimeout_ms = 60000\nqueue = 100000\n", 5000);
  constexpr int kKeys = 5000;
  world.get_all("many", kKeys);
  CHECK(world.counted("loads") == kKeys);
  CHECK(world.counted("queries") < kKeys / 5);
  CHECK(world.counted("most_running") <= 3);
  std::vector<std::string> mget{"MGET"};
  for (int i = 1; i <= 100; i++) {
    mget.push_back("one:" + std::to_string(i));
  }
  const Value all = world.client->call(mget);
  REQUIRE(all.items.size() == 100);
  CHECK(all.items[99].text == "doc 100");
}

TEST_CASE("PostgreSQL: a server that goes and comes back") {
  World world("concurrency = 1\ntimeout_ms = 60000\n");
  CHECK(world.get("one:1") == "doc 1");
  world.database.crash();
  CHECK(world.get("one:2").starts_with("ERR tiercache: source 'db' of namespace 'one': "));
  world.database.start();
  CHECK(world.get("one:2") == "doc 2");
  // A connection that had been idle is noticed and replaced within the load.
  world.database.crash();
  world.database.start();
  CHECK(world.get("one:3") == "doc 3");
}

TEST_CASE("PostgreSQL: a server that does not answer is left alone for a while") {
  World world("concurrency = 1\ntimeout_ms = 60000\n");
  world.database.crash();
  const std::string alone =
      "ERR tiercache: source 'db' of namespace 'one': it does not answer, and is left alone for a "
      "while";
  CHECK(eventually([&] { return world.get("one:1") == alone; }));
  CHECK(world.counted("left_alone_times") >= 1);
  CHECK(world.counted("queries") >= 5);
  world.database.start();
  CHECK(eventually([&] { return world.get("one:1") == "doc 1"; }));
  CHECK(world.counted("left_alone") == 0);
}

TEST_CASE("PostgreSQL: a load that takes too long ends, there and here") {
  World world("concurrency = 1\ntimeout_ms = 300\n");
  CHECK(world.get("asleep:1") ==
        "ERR tiercache: source 'db' of namespace 'asleep': the query took too long");
  CHECK(eventually([&] {
    return world.database.run(
               "select count(*) from pg_stat_activity where query like "
               "'select pg_sleep%' and state = 'active'") == "0";
  }));
  CHECK(eventually([&] { return world.get("one:1") == "doc 1"; }));
  CHECK(world.counted("timeouts") > 0);
}

TEST_CASE("PostgreSQL: a warmup asks for its keys") {
  World world;
  const auto warmup = [](const std::string& name, const std::string& query,
                         const std::string& more = "") {
    return "[[warmup]]\nname = \"" + name + "\"\nstrategy = \"query\"\nsource = \"db\"\n" +
           "rate = 1000000\nquery = \"" + query + "\"\n" + more;
  };
  Client direct(world.redis.port());
  direct.call("SET", "k:7", "seven");
  world.proxy = std::make_unique<TiercacheProcess>(
      world.redis.port(), std::vector<std::string>{},
      "[[source]]\nname = \"db\"\ndsn = \"" + world.database.dsn() + "\"\n" +
          warmup("rows", "select 'k:' || id, doc from t order by id") +
          warmup("null", "select nullif(name, 'n2') from t where id <= 3") +
          warmup("few", "select name from t", "limit = 5\n") +
          warmup("raw", "select convert_to('k:7', 'UTF8')", "refresh_interval_ms = 50\n") +
          warmup("write", "insert into t values (-1, 'x', 'x') returning name") +
          warmup("two", "select 1; select 2") +
          warmup("late", "select pg_sleep(60)::text", "query_timeout_ms = 200\n"));
  Client client(world.proxy->port(), std::chrono::seconds(60));
  const auto field = [&](const std::string& name, const std::string& of) {
    const Value all = client.call("CACHE", "WARM", "STATUS");
    for (const Value& one : all.find("warmups")->items) {
      if (one.find("name")->text == name) {
        const Value* value = one.find(of);
        return value->type == Value::Type::integer ? std::to_string(value->integer) : value->text;
      }
    }
    return std::string("none");
  };
  for (const char* name : {"rows", "null", "few"}) {
    CAPTURE(name);
    CHECK(eventually([&] { return field(name, "state") == "done"; }));
  }
  CHECK(field("rows", "seen") == "10000");
  CHECK(field("null", "seen") == "2");
  CHECK(field("few", "seen") == "5");
  CHECK(eventually(
      [&] { return client.call("CACHE", "KEY", "k:7").find("state")->text == "cached"; }));
  CHECK(eventually([&] { return field("write", "state") == "failed"; }));
  CHECK(field("write", "reason").find("read-only transaction") != std::string::npos);
  CHECK(eventually([&] { return field("two", "state") == "failed"; }));
  CHECK(eventually(
      [&] { return field("late", "reason") == "waiting: source 'db': the query took too long"; }));
}

// Of the same rows, by one query each and by arrays; what it prints is the rate of both.
TEST_CASE("PostgreSQL: batches load at many times the rate of single queries") {
  constexpr int kKeys = 10'000;
  World world("concurrency = 2\ntimeout_ms = 60000\nqueue = 100000\n", kKeys);
  const auto rate = [&](const std::string& name) {
    const auto begun = std::chrono::steady_clock::now();
    world.get_all(name, kKeys);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    return kKeys / took.count();
  };
  const double one = rate("one");
  const std::int64_t single = world.counted("busy_us");
  const double many = rate("many");
  const std::int64_t batched = world.counted("busy_us") - single;
  MESSAGE("loads/s: single " << one << ", batched " << many << "; time in queries: single "
                             << single << " us, batched " << batched << " us");
  CHECK(batched < single);
}

}  // namespace tiercache::testing
