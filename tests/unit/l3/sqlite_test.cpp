#include "tiercache/l3/source.hpp"

#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <unistd.h>

using namespace tiercache;
using namespace tiercache::l3;
using config::KeyPattern;

namespace {

// A database of its own, and a source that reads it.
struct World {
  std::filesystem::path path;
  std::unique_ptr<Source> source;

  explicit World(SourceConfig config = {}) {
    char name[] = "/tmp/tiercache-l3-XXXXXX";
    const int file = ::mkstemp(name);
    REQUIRE(file >= 0);
    ::close(file);
    path = name;
    run("create table t (id integer, name text, doc blob);"
        "insert into t values (1, 'one', 'first'), (2, 'two', null), (3, 'three', ''),"
        "(4, 'four', 42), (5, 'five', x'00ff0d0a');");
    config.name = "db";
    config.path = path.string();
    source = make_sqlite(
        std::move(config),
        {{"select doc from t where id = :id", {"id"}},
         {"select id from t where name = :name and id > @low", {"low", "name"}},
         {"select id, name from t", {"id"}},
         {"select doc from t where id = :nobody", {"id"}},
         {"select doc from later", {"id"}},
         {"with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n",
          {"id"}}});
  }
  ~World() {
    source.reset();
    std::filesystem::remove(path);
  }
  void run(const char* sql) const {
    sqlite3* database = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
    CHECK(sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(database);
  }
};

// Collects what loads bring.
struct Answers {
  std::mutex mutex;
  std::condition_variable came;
  std::vector<Loaded> all;

  std::function<void(Loaded)> take() {
    return [this](Loaded loaded) {
      const std::lock_guard lock(mutex);
      all.push_back(std::move(loaded));
      came.notify_all();
    };
  }
  std::vector<Loaded> wait(std::size_t count) {
    std::unique_lock lock(mutex);
    CHECK(came.wait_for(lock, std::chrono::seconds(60), [&] { return all.size() >= count; }));
    return all;
  }
};

Loaded load(World& world, std::size_t query, std::vector<KeyPattern::Value> values) {
  Answers answers;
  REQUIRE(world.source->submit({query, std::move(values), answers.take()}) == Source::Taken::yes);
  const auto all = answers.wait(1);
  return all.empty() ? Loaded{} : all[0];
}

}  // namespace

TEST_CASE("a value is the column's bytes, and no row or NULL is absence") {
  World world;
  CHECK(load(world, 0, {std::int64_t{1}}).bytes == "first");
  CHECK(load(world, 0, {std::int64_t{2}}).kind == Loaded::Kind::absent);
  CHECK(load(world, 0, {std::int64_t{9}}).kind == Loaded::Kind::absent);
  const Loaded empty = load(world, 0, {std::int64_t{3}});
  CHECK(empty.kind == Loaded::Kind::value);
  CHECK(empty.bytes.empty());
  CHECK(load(world, 0, {std::int64_t{4}}).bytes == "42");
  CHECK(load(world, 0, {std::int64_t{5}}).bytes == std::string("\0\xff\r\n", 4));
  world.run("update t set doc = 'second' where id = 1");
  CHECK(load(world, 0, {std::int64_t{1}}).bytes == "second");
  CHECK(world.source->totals().loads == 7);
  CHECK(world.source->totals().failed == 0);
}

TEST_CASE("parts of keys are bound by name, never spliced") {
  World world;
  CHECK(load(world, 1, {std::int64_t{0}, std::string("two")}).bytes == "2");
  CHECK(load(world, 1, {std::int64_t{2}, std::string("two")}).kind == Loaded::Kind::absent);
  CHECK(load(world, 1, {std::int64_t{0}, std::string("two' or '1'='1")}).kind ==
        Loaded::Kind::absent);
}

TEST_CASE("the columns of a row are the fields of a hash, but for NULLs") {
  World world;
  SourceConfig config;
  config.path = world.path.string();
  world.source = make_sqlite(std::move(config),
                             {{"select * from t where id = :id", {"id"}, {true}, 1, true},
                              {"select name, id as name from t", {"id"}, {true}, 1, true},
                              {"select null, null", {"id"}, {true}, 1, true},
                              {"select 'one' as a, 2.5 as \"b c\"", {"id"}, {true}, 1, true}});
  using Strings = std::vector<std::string>;
  const Loaded five = load(world, 0, {std::int64_t{5}});
  CHECK(five.kind == Loaded::Kind::value);
  CHECK(five.bytes.empty());
  CHECK(five.fields == Strings{"id", "5", "name", "five", "doc", std::string("\0\xff\r\n", 4)});
  CHECK(load(world, 0, {std::int64_t{2}}).fields == Strings{"id", "2", "name", "two"});
  CHECK(load(world, 0, {std::int64_t{9}}).kind == Loaded::Kind::absent);
  CHECK(load(world, 1, {std::int64_t{1}}).bytes == "two of the fields are called 'name'");
  CHECK(load(world, 2, {std::int64_t{1}}).bytes.starts_with("two of the fields are called"));
  CHECK(load(world, 3, {std::int64_t{1}}).fields == Strings{"a", "one", "b c", "2.5"});
  world.run("alter table t add column more text default 'x'");
  CHECK(load(world, 0, {std::int64_t{2}}).fields == Strings{"id", "2", "name", "two", "more", "x"});
}

TEST_CASE("what is wrong is said, and does not last") {
  World world;
  const auto why = [&](std::size_t query) {
    const Loaded loaded = load(world, query, {std::int64_t{1}});
    CHECK(loaded.kind == Loaded::Kind::failed);
    return loaded.bytes;
  };
  CHECK(why(2) == "the query does not yield exactly one column");
  CHECK(why(3) == "the query has a parameter that the key does not: :nobody");
  CHECK(why(4).find("no such table: later") != std::string::npos);
  world.run("create table later (doc text); insert into later values ('some')");
  CHECK(load(world, 4, {std::int64_t{1}}).bytes == "some");
  std::filesystem::rename(world.path, world.path.string() + ".away");
  World other;
  other.source.reset();
  std::filesystem::remove(other.path);
  SourceConfig config;
  config.path = other.path.string();
  other.source = make_sqlite(std::move(config), {{"select 1", {"id"}}});
  CHECK(load(other, 0, {std::int64_t{1}}).bytes.find("unable to open database file") !=
        std::string::npos);
  // It was opened for reading only, so it has not been made.
  CHECK_FALSE(std::filesystem::exists(other.path));
  std::filesystem::rename(world.path.string() + ".away", other.path);
  CHECK(load(other, 0, {std::int64_t{1}}).bytes == "1");
}

TEST_CASE("a query that takes too long is interrupted, and what waited as long is not begun") {
  SourceConfig config;
  config.concurrency = 1;
  config.timeout = std::chrono::milliseconds(100);
  World world(config);
  Answers answers;
  for (int i = 0; i < 3; i++) {
    REQUIRE(world.source->submit({5, {std::int64_t{1}}, answers.take()}) == Source::Taken::yes);
  }
  for (const Loaded& loaded : answers.wait(3)) {
    CHECK(loaded.kind == Loaded::Kind::failed);
    CHECK(loaded.bytes == "the query took too long");
  }
  CHECK(world.source->totals().timeouts == 3);
  CHECK(load(world, 0, {std::int64_t{1}}).bytes == "first");
}

TEST_CASE("so many run at a time, so many wait, and no more are taken") {
  SourceConfig config;
  config.concurrency = 2;
  config.queue = 3;
  config.timeout = std::chrono::milliseconds(300);
  World world(config);
  Answers answers;
  std::size_t taken = 0;
  for (int i = 0; i < 50; i++) {
    taken +=
        world.source->submit({5, {std::int64_t{1}}, answers.take()}) == Source::Taken::yes ? 1 : 0;
  }
  CHECK(taken == 5);
  CHECK(answers.wait(taken).size() == taken);
  const SourceTotals totals = world.source->totals();
  CHECK(totals.refused == 50 - taken);
  CHECK(totals.most_running <= 2);
  CHECK(totals.failed == taken);
}

TEST_CASE("what waits when the source goes is told") {
  SourceConfig config;
  config.concurrency = 1;
  config.timeout = std::chrono::milliseconds(200);
  World world(config);
  Answers answers;
  for (int i = 0; i < 4; i++) {
    REQUIRE(world.source->submit({5, {std::int64_t{1}}, answers.take()}) == Source::Taken::yes);
  }
  world.source.reset();
  CHECK(answers.wait(4).size() == 4);
}
