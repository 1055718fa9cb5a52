// Writes to PostgreSQL: the writer against a real server, and write-through in the real program.
#include "postgres_server.hpp"
#include "redis_server.hpp"
#include "tiercache_process.hpp"
#include "writing.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

using l3::Change;
using l3::Written;
using Kind = Written::Kind;

constexpr std::size_t kPut = 0;
constexpr std::size_t kRemove = 1;
constexpr std::size_t kLog = 2;
constexpr std::size_t kRaw = 3;
constexpr std::size_t kLater = 4;
constexpr std::size_t kAsleep = 5;
constexpr std::size_t kJson = 6;
constexpr std::size_t kLoud = 7;

struct World : Writing {
  PostgresServer database;

  World() {
    database.run(
        "create table t (id bigint primary key, doc text check (doc <> 'bad'));"
        "create table log (id bigint, doc text); create table raw (id bigint, doc bytea);"
        "create table json (id bigint, doc jsonb)");
    writer = make();
  }
  ~World() {
    writer.reset();
  }
  std::unique_ptr<l3::Writer> make(const std::string& source = {}) const {
    const std::vector<std::string> names{"id", "value"};
    const std::vector<bool> integers{true, false};
    std::vector<l3::Query> statements;
    for (const char* text :
         {"insert into t values (:id, :value) on conflict (id) do update set doc = :value",
          "delete from t where id = :id", "insert into log values (:id, :value)",
          "insert into raw values (:id, :value)", "insert into later values (:id, :value)",
          "insert into log select :id, pg_sleep(60)::text", "insert into json values (:id, :value)",
          "insert into log values (:id, :value) returning repeat('x', 1000000)"}) {
      statements.push_back({text, names, integers});
    }
    l3::SourceConfig config;
    config.name = source;
    config.dsn = database.dsn();
    config.timeout = std::chrono::seconds(60);
    return l3::make_writer(config, std::move(statements));
  }
};

}  // namespace

TEST_CASE("PostgreSQL: a batch is applied in its order, all or none") {
  World world;
  const Written written =
      world.apply({change(kPut, 1, "a"), change(kPut, 2, "b"), change(kPut, 1, "c'"),
                   change(kRemove, 2), change(kRemove, 7),
                   change(kRaw, 3, std::string("\0\xff", 2)), change(kJson, 4, "{\"a\": 1}")});
  CHECK(written.why.empty());
  CHECK(written.kind == Kind::applied);
  CHECK(written.rows == std::vector<std::uint64_t>{1, 1, 1, 1, 0, 1, 1});
  CHECK(world.database.run("select string_agg(id || doc, ' ') from t") == "1c'");
  CHECK(world.database.run("select doc::text from raw") == "\\x00ff");
  CHECK(world.database.run("select doc->>'a' from json") == "1");
}

TEST_CASE("PostgreSQL: the changes of a transaction leave together, and one of them is at fault") {
  World world;
  std::vector<Change> changes;
  for (int i = 0; i < 1000; i++) {
    changes.push_back(change(kPut, i % 10, std::to_string(i)));
  }
  const Written all = world.apply(changes);
  CHECK(all.why.empty());
  CHECK(all.rows == std::vector<std::uint64_t>(1000, 1));
  CHECK(world.database.run("select string_agg(doc, ' ' order by id) from t") ==
        "990 991 992 993 994 995 996 997 998 999");
  changes[500] = change(kPut, 500, "bad");
  changes[700] = change(kPut, 501, "bad");
  for (Change& one : changes) {
    one.values[0] = std::get<std::int64_t>(one.values[0]) + 1000;
  }
  const Written none = world.apply(changes);
  CHECK(none.kind == Kind::refused);
  CHECK(none.rows.empty());
  CHECK(world.database.run("select count(*) from t") == "10");
  // The session is as good as before.
  CHECK(world.apply({change(kRemove, 1), change(kRemove, 1)}).rows ==
        std::vector<std::uint64_t>{1, 0});
}

// More than the sockets hold, both ways: neither side may wait until the other one reads.
TEST_CASE("PostgreSQL: large changes, and large results that nobody wants") {
  World world;
  std::vector<Change> changes;
  for (int i = 0; i < 40; i++) {
    changes.push_back(change(kLoud, i, std::string(i % 4 == 0 ? 900'000 : 10'000, 'v')));
  }
  const Written written = world.apply(changes);
  CHECK(written.why.empty());
  CHECK(written.rows == std::vector<std::uint64_t>(40, 1));
  CHECK(world.database.run("select sum(length(doc)) from log") ==
        std::to_string(10 * 900'000 + 30 * 10'000));
}

TEST_CASE("PostgreSQL: what forbids the journal's table is no change's fault") {
  World world;
  world.database.run(
      "create function no() returns event_trigger language plpgsql as "
      "$$ begin raise exception 'no tables'; end $$;"
      "create event trigger no on ddl_command_start execute function no()");
  const Written written = world.apply({change(kPut, 1, "a")}, "j", 1);
  CHECK(written.kind == Kind::failed);
  CHECK(written.why.find("no tables") != std::string::npos);
  world.database.run("drop event trigger no");
  CHECK(world.apply({change(kPut, 1, "a")}, "j", 1).kind == Kind::applied);
}

TEST_CASE("PostgreSQL: whose fault a failure is") {
  World world;
  const auto kind = [&](const Change& bad) {
    const Written written = world.apply({change(kPut, 1, "a"), bad});
    CHECK_FALSE(written.why.empty());
    CHECK(world.database.run("select count(*) from t") == "0");
    return written.kind;
  };
  CHECK(kind(change(kPut, 2, "bad")) == Kind::refused);
  CHECK(kind(change(kPut, 2, "\xff")) == Kind::refused);
  CHECK(kind(change(kPut, 2, std::string("a\0b", 3))) == Kind::refused);
  CHECK(kind(change(kJson, 2, "{")) == Kind::refused);
  CHECK(kind(change(kJson, 2, std::string(1'000'000, '['))) == Kind::refused);  // too deep for it
  CHECK(kind(change(kLater, 2, "a")) == Kind::failed);
  const Written late = world.apply(*world.writer, {change(kPut, 1, "a"), change(kAsleep, 1)}, {}, 0,
                                   std::chrono::milliseconds(100));
  CHECK(late.kind == Kind::failed);
  CHECK(late.why == "the query took too long");
  CHECK(world.apply({change(kPut, 1, "a")}).kind == Kind::applied);
  // A connection that was idle when the server went is made anew.
  world.database.crash();
  CHECK(world.apply({change(kPut, 1, "b")}).kind == Kind::failed);
  world.database.start();
  CHECK(world.apply({change(kPut, 1, "c")}).kind == Kind::applied);
  world.database.crash();
  world.database.start();
  CHECK(world.apply({change(kPut, 1, "d")}).kind == Kind::applied);
  CHECK(world.database.run("select doc from t") == "d");
}

TEST_CASE("PostgreSQL: a journal's changes are applied once each, also past a lost connection") {
  World world;
  std::vector<Change> all;
  for (int i = 1; i <= 50; i++) {
    all.push_back(change(kLog, i, "x"));
  }
  const auto part = [&](std::ptrdiff_t from, std::ptrdiff_t to) {
    return std::vector<Change>(all.begin() + from, all.begin() + to);
  };
  CHECK(world.apply(part(0, 3), "j", 1).kind == Kind::applied);
  CHECK(world.apply(part(1, 5), "j", 2).rows == std::vector<std::uint64_t>{0, 0, 1, 1});
  // The server loses all connections again and again; whoever sends sends the same again.
  std::size_t from = 5;
  int attempts = 0;
  while (from < all.size() && attempts < 10'000) {
    const std::size_t to = std::min(from + 3, all.size());
    std::thread breaks;
    if (attempts % 2 == 0) {
      breaks = std::thread([&] {
        world.database.run(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'tiercache'");
      });
    }
    const Written written = world.apply(
        part(static_cast<std::ptrdiff_t>(from), static_cast<std::ptrdiff_t>(to)), "j", from + 1);
    if (breaks.joinable()) {
      breaks.join();
    }
    attempts++;
    from = written.kind == Kind::applied ? to : from;
    CHECK(written.kind != Kind::refused);
  }
  CHECK(world.database.run("select count(*) from log") == "50");
  CHECK(world.database.run("select count(distinct id) from log") == "50");
  CHECK(world.database.run("select sequence from tiercache_journal") == "50");
}

TEST_CASE("PostgreSQL: a journal's position is of one source, and begins with the journal's own") {
  World world;
  CHECK(world.apply({change(kLog, 1), change(kLog, 2)}, "j", 1).kind == Kind::applied);
  const auto a = world.make("a");
  const auto b = world.make("b");
  CHECK(world.apply(*b, {change(kLog, 20)}, "j", 20).reached == 2);
  CHECK(world.apply(*a, {change(kLog, 2), change(kLog, 3)}, "j", 2).reached == 2);
  CHECK(world.apply(*a, {change(kLog, 3)}, "j", 3).reached == 3);
  CHECK(world.database.run("select string_agg(id::text, ' ' order by id) from log") == "1 2 3 20");
}

TEST_CASE("PostgreSQL: a write is there and in Redis when it is answered, many in a transaction") {
  constexpr int kClients = 20;
  constexpr int kWrites = 50;
  PostgresServer database;
  RedisServer redis;
  database.run("create table t (id bigint primary key, doc text)");
  const std::string conf =
      "[[source]]\nname = \"db\"\ndsn = \"" + database.dsn() +
      "\"\ntimeout_ms = 60000\n[[namespace]]\nname = \"doc\"\nmatch = [\"doc:*\"]\n"
      "tiers = \"l1+l2+l3\"\nsource = \"db\"\nkey = \"doc:{id:int}\"\n"
      "query = \"select doc from t where id = :id\"\nstrategy = \"write-through\"\n"
      "write = \"insert into t values (:id, :value) on conflict (id) do update set doc = :value\"\n"
      "remove = \"delete from t where id = :id\"\n";
  TiercacheProcess proxy(redis.port(), {"threads=2"}, conf);
  std::vector<std::thread> threads;
  for (int c = 0; c < kClients; c++) {
    threads.emplace_back([&, c] {
      Client client(proxy.port(), std::chrono::seconds(60));
      for (int i = 0; i < kWrites; i++) {
        CHECK(client.call("SET", "doc:" + std::to_string(c), std::to_string(i)).text == "OK");
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(database.run("select count(*) from t where doc = '" + std::to_string(kWrites - 1) + "'") ==
        std::to_string(kClients));
  Client client(proxy.port(), std::chrono::seconds(60));
  CHECK(client.call("GET", "doc:7").text == std::to_string(kWrites - 1));
  CHECK(client.call("DEL", "doc:7").integer == 1);
  CHECK(client.call("GET", "doc:7").is_nil());
  const std::string line = client.call("CACHE", "STATS").find("source_db")->text;
  MESSAGE(line);
  const auto number = [&](const std::string& name) {
    return std::stoll(line.substr(line.find("," + name + "=") + name.size() + 2));
  };
  CHECK(number("writes") == kClients * kWrites + 1);
  CHECK(number("write_transactions") < kClients * kWrites);
}

TEST_CASE("PostgreSQL: a commit that comes after all leaves no older copy in Redis") {
  PostgresServer database;
  RedisServer redis;
  // Neither the change nor the commit takes the whole timeout, both together do.
  database.run(
      "create table t (id bigint primary key, doc text);"
      "create function wait() returns trigger language plpgsql as "
      "$$ begin if new.doc = 'slow' then perform pg_sleep(1.2); end if; return new; end $$;"
      "create trigger early before insert on t for each row execute function wait();"
      "create constraint trigger late after insert or update on t deferrable initially deferred "
      "for each row execute function wait()");
  const std::string conf =
      "[[source]]\nname = \"db\"\ndsn = \"" + database.dsn() +
      "\"\ntimeout_ms = 2000\n[[namespace]]\nname = \"doc\"\nmatch = [\"doc:*\"]\n"
      "tiers = \"l1+l2+l3\"\nsource = \"db\"\nkey = \"doc:{id:int}\"\nl2_ttl_ms = 0\n"
      "query = \"select doc from t where id = :id\"\nstrategy = \"write-through\"\n"
      "write = \"insert into t values (:id, :value) on conflict (id) do update set doc = "
      ":value\"\n";
  TiercacheProcess proxy(redis.port(), {"threads=2"}, conf);
  Client client(proxy.port(), std::chrono::seconds(60));
  CHECK(client.call("SET", "doc:1", "old").text == "OK");
  const Value reply = client.call("SET", "doc:1", "slow");
  CHECK(reply.text.find("whether it has the write is unknown") != std::string::npos);
  // It is loaded again, and stored, before the commit comes; unless this machine is slow.
  const std::string then = client.call("GET", "doc:1").text;
  CHECK((then == "old" || then == "slow"));
  CHECK(eventually([&] { return database.run("select doc from t") == "slow"; }));
  CHECK(eventually([&] { return client.call("GET", "doc:1").text == "slow"; }));
}

TEST_CASE("PostgreSQL: what is written back while the server fails is applied once, in its order") {
  constexpr int kClients = 4;
  constexpr int kCrashes = 4;
  PostgresServer database;
  RedisServer redis;
  database.run("create table log (at bigserial primary key, id bigint, doc bigint)");
  const std::string conf =
      "[journal]\ndir = \"" + (redis.directory() / "journal").string() +
      "\"\nretry_min_ms = 5\nretry_max_ms = 50\nbatch = 8\n[[source]]\nname = \"db\"\ndsn = \"" +
      database.dsn() +
      "\"\n[[namespace]]\nname = \"log\"\nmatch = [\"log:*\"]\n"
      "tiers = \"l1+l2+l3\"\nsource = \"db\"\nkey = \"log:{id:int}\"\n"
      "query = \"select doc from log where id = :id order by at desc limit 1\"\n"
      "strategy = \"write-back\"\nwrite = \"insert into log (id, doc) values (:id, :value)\"\n";
  TiercacheProcess proxy(redis.port(), {"threads=2"}, conf);
  std::atomic<bool> over{false};
  std::array<std::atomic<int>, kClients> acknowledged{};
  std::vector<std::thread> threads;
  for (std::size_t c = 0; c < kClients; c++) {
    threads.emplace_back([&, c] {
      Client client(proxy.port(), std::chrono::seconds(60));
      while (!over) {
        const int next = acknowledged[c] + 1;
        CHECK(client.call("SET", "log:" + std::to_string(c), std::to_string(next)).text == "OK");
        acknowledged[c] = next;
      }
    });
  }
  for (int i = 0; i < kCrashes; i++) {
    const int before = acknowledged[0];
    CHECK(eventually([&] { return acknowledged[0] > before + 50; }));
    database.crash();
    database.start();
  }
  over = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
  Client client(proxy.port(), std::chrono::seconds(60));
  CHECK(eventually([&] {
    return client.call("INFO", "tiers").text.find("l3_writes_pending:0\r") != std::string::npos;
  }));
  for (std::size_t c = 0; c < kClients; c++) {
    const std::string of = " from log where id = " + std::to_string(c);
    const std::string count = std::to_string(acknowledged[c]);
    CHECK(database.run("select count(*)" + of) == count);
    CHECK(database.run("select max(doc)" + of) == count);
    CHECK(database.run("select count(*) from (select doc, row_number() over (order by at) as n" +
                       of + ") numbered where doc = n") == count);
  }
  MESSAGE(client.call("CACHE", "STATS").find("source_db")->text);
}

}  // namespace tiercache::testing
