// Batches of changes in SQLite: all or none, once each, and whose fault a failure is.
#include "writing.hpp"

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <unistd.h>

using namespace tiercache;
using namespace tiercache::l3;
using testing::change;
using testing::Writing;
using Kind = Written::Kind;

namespace {

constexpr std::size_t kPut = 0;
constexpr std::size_t kRemove = 1;
constexpr std::size_t kLog = 2;
constexpr std::size_t kLater = 3;
constexpr std::size_t kEndless = 4;
constexpr std::size_t kNobody = 5;
constexpr std::size_t kTwo = 6;
constexpr std::size_t kJson = 7;

std::vector<Query> statements() {
  const std::vector<std::string> names{"id", "value"};
  return {{"insert into t values (:id, :value) on conflict (id) do update set doc = :value", names},
          {"delete from t where id = :id", names},
          {"insert into log values (:id, :value)", names},
          {"insert into later values (:id, :value)", names},
          {"insert into log with recursive n(i) as (select 1 union all select i + 1 from n) "
           "select :id, max(i) from n",
           names},
          {"insert into t values (:nobody, :value)", names},
          {"delete from t where id = :id; delete from t", names},
          {"insert into t values (:id, json(:value))", names}};
}

struct World : Writing {
  std::filesystem::path path;
  sqlite3* database = nullptr;

  World() {
    char name[] = "/tmp/tiercache-l3-XXXXXX";
    const int file = ::mkstemp(name);
    REQUIRE(file >= 0);
    ::close(file);
    path = name;
    REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
    sqlite3_busy_timeout(database, 60'000);  // a writer that looks for the lock reads for a moment
    run("create table t (id integer primary key, doc text check (doc <> 'bad'));"
        "create table log (id integer, doc text)");
    writer = make();
  }
  ~World() {
    writer.reset();
    sqlite3_close(database);
    std::filesystem::remove(path);
    std::filesystem::remove(path.string() + "-journal");
  }
  std::unique_ptr<Writer> make(const std::string& source = {}) const {
    SourceConfig config;
    config.name = source;
    config.path = path.string();
    return make_writer(config, statements());
  }
  void run(const char* sql) const {
    CHECK(sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  // The rows' columns, with blanks between.
  std::string rows(const char* sql) const {
    std::string text;
    sqlite3_exec(
        database, sql,
        [](void* out, int columns, char** values, char** /*names*/) {
          for (int i = 0; i < columns; i++) {
            auto& all = *static_cast<std::string*>(out);
            all.append(all.empty() ? "" : " ").append(values[i] == nullptr ? "NULL" : values[i]);
          }
          return 0;
        },
        &text, nullptr);
    return text;
  }
};

}  // namespace

TEST_CASE("a batch is applied in its order, and says what each change has changed") {
  World world;
  const Written written =
      world.apply({change(kPut, 1, "a"), change(kPut, 2, "b"), change(kPut, 1, "c"),
                   change(kRemove, 2), change(kRemove, 7)});
  CHECK(written.kind == Kind::applied);
  CHECK(written.rows == std::vector<std::uint64_t>{1, 1, 1, 1, 0});
  CHECK(world.rows("select * from t") == "1 c");
}

TEST_CASE("a value is any bytes: text where it is text") {
  World world;
  CHECK(world
            .apply({change(kPut, 1, "it's"), change(kPut, 2, std::string("\0\xff", 2)),
                    change(kPut, 3, ""), change(kPut, 4, "\xc3\xa9")})
            .kind == Kind::applied);
  CHECK(world.rows("select typeof(doc), hex(doc) from t") ==
        "text 69742773 blob 00FF text  text C3A9");
}

TEST_CASE("all or none, and a change that the database does not take is to blame") {
  World world;
  Written written = world.apply({change(kPut, 1, "a"), change(kPut, 2, "bad")});
  CHECK(written.kind == Kind::refused);
  CHECK(written.why.find("CHECK constraint failed") != std::string::npos);
  CHECK(world.rows("select * from t").empty());
  // Nothing stays open.
  world.run("insert into t values (3, 'x')");
  CHECK(world.apply({change(kPut, 1, "a")}).kind == Kind::applied);
}

TEST_CASE("what a function says of a value is the change's fault, a table that has gone is not") {
  World world;
  Written written = world.apply({change(kPut, 1, "a"), change(kJson, 2, "{")});
  CHECK(written.kind == Kind::refused);
  CHECK(written.why == "malformed JSON");
  CHECK(world.apply({change(kJson, 2, "{}")}).kind == Kind::applied);
  CHECK(world.rows("select * from t") == "2 {}");
  world.run("alter table t rename to away");
  CHECK(world.apply({change(kJson, 3, "{")}).kind == Kind::failed);
  world.run("alter table away rename to t");
  CHECK(world.apply({change(kJson, 3, "{}")}).kind == Kind::applied);
}

TEST_CASE("what keeps the journal's position from being noted is no change's fault") {
  World world;
  CHECK(world.apply({change(kLog, 1, "a")}, "j", 1).kind == Kind::applied);
  world.run(
      "create trigger no before insert on tiercache_journal begin select raise(abort, 'no'); end");
  const Written written = world.apply({change(kLog, 2, "b")}, "j", 2);
  CHECK(written.kind == Kind::failed);
  CHECK(written.why == "no");
  world.run("drop trigger no");
  CHECK(world.apply({change(kLog, 2, "b")}, "j", 2).kind == Kind::applied);
  CHECK(world.rows("select id from log") == "1 2");
}

TEST_CASE("what no change can be blamed for may work later") {
  World world;
  Written written = world.apply({change(kPut, 1, "a"), change(kLater, 1, "a")});
  CHECK(written.kind == Kind::failed);
  CHECK(written.why.find("no such table: later") != std::string::npos);
  world.run("create table later (id integer, doc text)");
  CHECK(world.apply({change(kLater, 1, "a")}).kind == Kind::applied);
  CHECK(world.apply({change(kNobody, 1, "a")}).why ==
        "the query has a parameter that the key does not: :nobody");
  CHECK(world.apply({change(kTwo, 1)}).why == "it has to be one statement");
  CHECK(world.rows("select * from t").empty());
  std::filesystem::rename(world.path, world.path.string() + ".away");
  const auto other = world.make();
  written = world.apply(*other, {change(kPut, 1, "a")});
  CHECK(written.kind == Kind::failed);
  CHECK(written.why.find("unable to open database file") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(world.path));
  std::filesystem::rename(world.path.string() + ".away", world.path);
  CHECK(world.apply(*other, {change(kPut, 1, "a")}).kind == Kind::applied);
}

TEST_CASE("a lock of somebody else, or a statement without end, holds it up to the deadline") {
  World world;
  world.run("begin immediate");
  constexpr std::chrono::milliseconds kShort(50);
  Written written = world.apply(*world.writer, {change(kPut, 1, "a")}, {}, 0, kShort);
  CHECK(written.kind == Kind::failed);
  CHECK(written.why.find("locked") != std::string::npos);
  world.run("commit");
  written = world.apply(*world.writer, {change(kPut, 1, "a"), change(kEndless, 1)}, {}, 0, kShort);
  CHECK(written.kind == Kind::failed);
  CHECK(written.why == "the query took too long");
  CHECK(world.rows("select * from t").empty());
  CHECK(world.apply({change(kPut, 1, "b")}).kind == Kind::applied);
}

TEST_CASE("a journal's changes are applied once each, however often and by whomever sent") {
  World world;
  std::vector<Change> all;
  for (int i = 1; i <= 9; i++) {
    all.push_back(change(kLog, i, "x"));
  }
  const auto part = [&](std::size_t from, std::size_t to) {
    return std::vector<Change>(all.begin() + static_cast<std::ptrdiff_t>(from),
                               all.begin() + static_cast<std::ptrdiff_t>(to));
  };
  CHECK(world.apply(part(0, 3), "j", 1).kind == Kind::applied);
  const Written again = world.apply(part(1, 5), "j", 2);
  CHECK(again.rows == std::vector<std::uint64_t>{0, 0, 1, 1});
  CHECK(world.rows("select id from log") == "1 2 3 4 5");
  // What has failed has not come further.
  std::vector<Change> poison = part(5, 7);
  poison.push_back(change(kPut, 1, "bad"));
  CHECK(world.apply(poison, "j", 6).kind == Kind::refused);
  const auto other = world.make();
  CHECK(world.apply(*other, all, "j", 1).kind == Kind::applied);
  CHECK(world.rows("select id from log") == "1 2 3 4 5 6 7 8 9");
  CHECK(world.rows("select * from tiercache_journal") == "j 9");
  // An old batch does not set it back; another journal counts for itself.
  CHECK(world.apply(part(0, 2), "j", 1).kind == Kind::applied);
  CHECK(world.apply(part(0, 1), "k", 1).kind == Kind::applied);
  CHECK(world.rows("select * from tiercache_journal") == "j 9 k 1");
  CHECK(world.rows("select count(*) from log") == "10");
}

TEST_CASE("a journal's position is of one source, though another leads to the same database") {
  World world;
  const auto a = world.make("a");
  const auto b = world.make("b");
  const auto log = [&](Writer& writer, const std::string& doc, int from, int to) {
    std::vector<Change> changes;
    for (int i = from; i <= to; i++) {
      changes.push_back(change(kLog, i, doc));
    }
    const Written written = world.apply(writer, changes, "j", static_cast<std::uint64_t>(from));
    CHECK(written.kind == Kind::applied);
    return written.reached.value_or(0);
  };
  CHECK(log(*b, "b", 11, 20) == 0);
  CHECK(log(*a, "a", 1, 10) == 0);
  CHECK(world.rows("select count(*) from log where doc = 'a'") == "10");
  CHECK(log(*a, "a", 9, 21) == 10);
  CHECK(log(*b, "b", 18, 22) == 20);
  CHECK(world.rows("select count(*) from log where doc = 'a'") == "21");
  CHECK(world.rows("select count(*) from log where doc = 'b'") == "12");
  CHECK(world.rows("select * from tiercache_journal") == "j/a 21 j/b 22");
}

TEST_CASE("a journal's position that is of no source holds for one of which nothing is known") {
  World world;
  CHECK(world.apply({change(kLog, 1), change(kLog, 2)}, "j", 1).kind == Kind::applied);
  const auto a = world.make("a");
  CHECK(world.apply(*a, {change(kLog, 2), change(kLog, 3)}, "j", 2).reached == 2);
  CHECK(world.apply(*a, {change(kLog, 3), change(kLog, 4)}, "j", 3).reached == 3);
  CHECK(world.rows("select id from log") == "1 2 3 4");
  CHECK(world.rows("select * from tiercache_journal") == "j 2 j/a 4");
}

namespace {

struct Answers {
  std::mutex mutex;
  std::condition_variable came;
  std::vector<Written> all = std::vector<Written>(1000);
  std::size_t count = 0;

  std::function<void(Written)> take(std::size_t index) {
    return [this, index](Written written) {
      const std::lock_guard lock(mutex);
      all[index] = std::move(written);
      count++;
      came.notify_all();
    };
  }
  void wait(std::size_t wanted) {
    std::unique_lock lock(mutex);
    REQUIRE(came.wait_for(lock, std::chrono::seconds(60), [&] { return count >= wanted; }));
  }
};

}  // namespace

TEST_CASE("a sink takes what waits together, and one that is refused harms no other") {
  World world;
  SourceConfig config;
  config.path = world.path.string();
  config.timeout = std::chrono::seconds(60);
  Answers answers;
  Sink sink(config, world.make());
  world.run("begin immediate");  // until it ends the first waits, and the others behind it
  for (std::size_t i = 0; i < 100; i++) {
    REQUIRE(sink.submit({{change(kPut, static_cast<int>(i), i == 50 ? "bad" : "good"),
                          change(kLog, static_cast<int>(i), "x")},
                         answers.take(i)}));
  }
  world.run("commit");
  answers.wait(100);
  for (std::size_t i = 0; i < 100; i++) {
    CHECK(answers.all[i].kind == (i == 50 ? Kind::refused : Kind::applied));
  }
  CHECK(answers.all[7].rows == std::vector<std::uint64_t>{1, 1});
  CHECK(world.rows("select count(*) from t") == "99");
  CHECK(world.rows("select count(*) from log") == "99");
  CHECK(sink.totals().puts == 99);
  CHECK(sink.totals().failed == 1);
}

TEST_CASE("a sink has a limit, a timeout, and tells all when it goes") {
  World world;
  SourceConfig config;
  config.path = world.path.string();
  config.timeout = std::chrono::milliseconds(100);
  config.queue = 3;
  Answers answers;
  std::size_t taken = 0;
  {
    Sink sink(config, world.make());
    world.run("begin immediate");
    for (std::size_t i = 0; i < 50; i++) {
      taken += sink.submit({{change(kPut, 1, "a")}, answers.take(taken)}) ? 1 : 0;
    }
    CHECK(taken >= 3);
    CHECK(taken < 50);
    CHECK(sink.totals().refused == 50 - taken);
    answers.wait(taken);
    CHECK(sink.totals().failed == taken);
    REQUIRE(sink.submit({{change(kPut, 2, "a")}, answers.take(taken)}));
  }
  answers.wait(taken + 1);
  world.run("commit");
  for (std::size_t i = 0; i <= taken; i++) {
    CHECK(answers.all[i].kind == Kind::failed);
  }
  CHECK(world.rows("select count(*) from t") == "0");
}
