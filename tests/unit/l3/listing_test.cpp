#include "tiercache/l3/listing.hpp"

#include "listed.hpp"

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <unistd.h>

using namespace tiercache;
using namespace tiercache::l3;

namespace {

struct World {
  SourceConfig config;
  std::atomic<bool> stop{false};

  World() {
    char name[] = "/tmp/tiercache-l3-XXXXXX";
    const int file = ::mkstemp(name);
    REQUIRE(file >= 0);
    ::close(file);
    config.path = name;
    config.timeout = std::chrono::seconds(60);
    sqlite3* database = nullptr;
    REQUIRE(sqlite3_open(config.path.c_str(), &database) == SQLITE_OK);
    CHECK(sqlite3_exec(database,
                       "create table t (id integer, name);"
                       "insert into t values (1, 'one'), (2, null), (3, 33), (4, x'6100')",
                       nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(database);
  }
  ~World() {
    std::filesystem::remove(config.path);
  }
  Result<std::vector<std::string>> list(const std::string& query, std::uint64_t max_rows = 0) {
    return l3::list(config, {query, max_rows}, stop);
  }
};

const std::string kEndless =
    "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n";

}  // namespace

TEST_CASE("the first column of all rows, without NULLs, numbers as text") {
  World world;
  const auto rows = world.list("select name, id from t order by id");
  REQUIRE(rows);
  CHECK(rows.value() == std::vector<std::string>{"one", "33", std::string("a\0", 2)});
  CHECK(world.list("select name from t order by id", 2).value().size() == 2);
  CHECK(world.list("select name from t where id > 9").value().empty());
}

TEST_CASE("what the database says no to is told from its not answering") {
  World world;
  CHECK(world.list("select name from later").error().detail == "no such table: later");
  CHECK(world.list("select name from later").error().code == ErrorCode::refused);
  CHECK(world.list("select name from t where id = :id").error().detail ==
        "the query has a parameter");
  CHECK(world.list("").error().detail == "the query yields no column");
  CHECK(world.list("insert into t values (9, 'nine') returning name").error().code ==
        ErrorCode::refused);
  world.config.timeout = std::chrono::milliseconds(1);
  CHECK(world.list(kEndless).error().code == ErrorCode::unavailable);
  world.config.timeout = std::chrono::hours(1);
  world.stop = true;
  CHECK_FALSE(world.list(kEndless));
  world.config.path = "/nowhere/at/all";
  CHECK(world.list("select 1").error().code == ErrorCode::unavailable);
}

TEST_CASE("a list takes so much memory and no more") {
  const std::string row(100, 'x');
  Listed listed(Listing{"", 0}, 3 * (row.size() + sizeof(std::string)));
  CHECK(listed.add(row));
  CHECK(listed.add(row));
  CHECK(listed.add(row));
  CHECK_FALSE(listed.add(row));
  CHECK(std::move(listed).take().error().code == ErrorCode::limit);
}
