// Writes that are journalled first and in their source later, through the real program.
#include "sources_world.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <sys/mount.h>

namespace tiercache::testing {

namespace {

std::string space(const std::string& name, const std::string& query, const std::string& write,
                  const std::string& remove) {
  return "[[namespace]]\nname = \"" + name + "\"\nmatch = [\"" + name + ":*\"]\n" +
         "tiers = \"l1+l2+l3\"\nsource = \"db\"\nkey = \"" + name + ":{id:int}\"\nquery = \"" +
         query + "\"\nnegative_ttl_ms = 500\nstrategy = \"write-back\"\nwrite = \"" + write +
         "\"\n" + (remove.empty() ? "" : "remove = \"" + remove + "\"\n");
}

std::string conf(const std::string& path, const std::string& journal, const std::string& more) {
  return "[journal]\ndir = \"" + journal + "\"\nretry_min_ms = 10\nretry_max_ms = 50\n" + more +
         "[[source]]\nname = \"db\"\npath = \"" + path + "\"\ntimeout_ms = 1000\n" +
         space("doc", "select doc from t where id = :id",
               "insert into t values (:id, :value) on conflict (id) do update set doc = :value",
               "delete from t where id = :id") +
         "coalesce = true\n" +
         space("log", "select doc from log where id = :id order by rowid desc limit 1",
               "insert into log values (:id, :value)", "") +
         space("shared", "select doc from t where id = :id",
               "insert into t values (:id, :value) on conflict (id) do update set doc = :value",
               "") +
         "lease = true\n";
}

struct World {
  RedisServer redis;
  Database database;
  std::filesystem::path journal;
  std::string text;
  std::unique_ptr<TiercacheProcess> proxy;
  std::unique_ptr<Client> client;
  Client direct;

  explicit World(const std::string& more = "", const std::filesystem::path& in = {})
      : database(redis.directory() / "test.db"),
        journal(in.empty() ? redis.directory() / "journal" : in),
        text(conf(database.path().string(), journal.string(), more)),
        direct(redis.port()) {
    database.run("create table log (id integer, doc text check (doc <> 'bad'))");
    start();
  }
  void start() {
    client.reset();
    proxy.reset();
    proxy = std::make_unique<TiercacheProcess>(redis.port(), std::vector<std::string>{"threads=2"},
                                               text);
    client = std::make_unique<Client>(proxy->port(), std::chrono::seconds(60));
  }
  // The first column of all rows.
  std::vector<std::string> rows(const std::string& query) const {
    sqlite3* reader = nullptr;
    REQUIRE(sqlite3_open(database.path().c_str(), &reader) == SQLITE_OK);
    sqlite3_busy_timeout(reader, 60'000);
    std::vector<std::string> all;
    CHECK(sqlite3_exec(
              reader, query.c_str(),
              [](void* out, int, char** values, char**) {
                static_cast<std::vector<std::string>*>(out)->emplace_back(
                    values[0] == nullptr ? "NULL" : values[0]);
                return 0;
              },
              &all, nullptr) == SQLITE_OK);
    sqlite3_close(reader);
    return all;
  }
  std::string get(const std::string& key) {
    const Value value = client->call("GET", key);
    return value.is_nil() ? "nil" : value.text;
  }
  std::int64_t counted(const std::string& line, const std::string& what) {
    const Value stats = client->call("CACHE", "STATS");
    const Value* found = stats.find(line);
    REQUIRE(found != nullptr);
    const std::string all = "," + found->text;
    const auto at = all.find("," + what + "=");
    REQUIRE(at != std::string::npos);
    return std::stoll(all.substr(at + what.size() + 2));
  }
};

using Rows = std::vector<std::string>;

}  // namespace

TEST_CASE("a write is answered when it is journalled, served meanwhile, and applied in its order") {
  World world;
  world.database.run("insert into t values (1, 'of the database'); begin immediate");
  CHECK(world.client->call("SET", "doc:1", "new").text == "OK");
  CHECK(world.client->call("MSET", "doc:2", "a", "doc:3", "b").text == "OK");
  CHECK(world.client->call("SET", "log:1", "1").text == "OK");
  CHECK(world.client->call("SET", "log:1", "2").text == "OK");
  CHECK(world.client->call("DEL", "doc:3").integer == 1);
  CHECK(eventually([&] { return world.counted("source_db", "flush_retries") > 0; }));
  CHECK(world.counted("source_db", "pending") == 5);
  CHECK(world.counted("journal", "records") == 5);
  CHECK(world.rows("select doc from t") == Rows{"of the database"});
  // Redis has lost them: what is pending goes before what the database has.
  world.direct.call("FLUSHALL");
  CHECK(eventually([&] { return world.get("doc:1") == "new"; }));
  CHECK(world.get("doc:2") == "a");
  CHECK(world.get("doc:3") == "nil");
  CHECK(world.get("log:1") == "2");
  world.database.run("commit");
  CHECK(eventually([&] { return world.counted("source_db", "pending") == 0; }));
  CHECK(world.rows("select id || doc from t order by id") == Rows{"1new", "2a"});
  CHECK(world.rows("select doc from log order by rowid") == Rows{"1", "2"});
  CHECK(world.counted("source_db", "flushed") == 5);
  CHECK(world.client->call("INFO", "tiers").text.find("l3_writes_pending:0") != std::string::npos);
}

TEST_CASE("what is pending goes before what another proxy loads under its lease") {
  World world;
  world.database.run("begin immediate");
  CHECK(world.client->call("SET", "shared:1", "new").text == "OK");
  // Redis loses it, and another proxy is about to load the old row.
  world.direct.call("SET", "tiercache:lease:shared:1", "another's", "PX", "600000");
  world.direct.call("DEL", "shared:1");
  world.direct.call("CONFIG", "RESETSTAT");
  std::atomic<bool> answered{false};
  std::string got;
  std::thread reader([&] {
    got = world.get("shared:1");
    answered = true;
  });
  CHECK(eventually([&] {
    return answered || world.direct.call("INFO", "commandstats").text.find("cmdstat_get:calls=2") !=
                           std::string::npos;
  }));
  world.direct.call("SET", "shared:1", "old", "NX");
  reader.join();
  CHECK(got == "new");
  world.database.run("commit");
  CHECK(eventually([&] { return world.rows("select doc from t where id = 1") == Rows{"new"}; }));
}

TEST_CASE("of a key's writes that are applied together the last one is") {
  World world;
  world.database.run("begin immediate");
  for (int i = 0; i < 200; i++) {
    const std::string value = std::to_string(i);
    CHECK(world.client->call("SET", "doc:" + std::to_string(i % 3), value).text == "OK");
    CHECK(world.client->call("SET", "log:1", value).text == "OK");
  }
  CHECK(world.client->call("DEL", "doc:0").integer == 1);
  world.database.run("commit");
  CHECK(eventually([&] { return world.counted("source_db", "pending") == 0; }));
  CHECK(world.rows("select id || ' ' || doc from t order by id") == Rows{"1 199", "2 197"});
  CHECK(world.rows("select doc from log").size() == 200);
  CHECK(world.counted("source_db", "coalesced") > 0);
  CHECK(world.counted("source_db", "coalesced") < 200);
  CHECK(world.counted("source_db", "flushed") == 401);
}

TEST_CASE("a pipeline of writes is journalled together, and answered in its order") {
  World world;
  std::string requests;
  for (int i = 0; i < 100; i++) {
    const std::string key = "log:" + std::to_string(i);
    requests += Client::encode(std::vector<std::string_view>{"SET", key, "x"});
  }
  requests += Client::encode(std::vector<std::string_view>{"GET", "log:99"});
  world.client->send_raw(requests);
  for (int i = 0; i < 100; i++) {
    CHECK(world.client->read().text == "OK");
  }
  CHECK(world.client->read().text == "x");
  CHECK(world.counted("journal", "records") == 100);
  // The first may go alone, and what the proxy reads at once is less than all.
  CHECK(world.counted("journal", "writes") < 30);
  MESSAGE("100 writes by " << world.counted("journal", "writes") << " fsyncs");
}

TEST_CASE("a stop applies what is pending, or leaves it for the next start") {
  World world;
  CHECK(world.client->call("SET", "log:1", "1").text == "OK");
  world.proxy->signal(SIGTERM);
  CHECK(world.proxy->wait_exit(std::chrono::seconds(60)) == 0);
  CHECK(world.rows("select doc from log") == Rows{"1"});
  world.text = "limits.drain_timeout_ms = 200\n" + world.text;
  world.start();
  world.database.run("begin immediate");
  CHECK(world.client->call("SET", "log:1", "2").text == "OK");
  CHECK(world.client->call("SET", "doc:1", "x").text == "OK");
  world.proxy->signal(SIGTERM);
  CHECK(world.proxy->wait_exit(std::chrono::seconds(60)) == 0);
  CAPTURE(world.proxy->log());
  CHECK(world.proxy->log().find("2 writes stay in the journal") != std::string::npos);
  // Redis has something else by now; whoever is let in sees what was promised.
  world.direct.call("SET", "doc:1", "older");
  world.database.run("commit");
  world.start();
  CHECK(world.get("doc:1") == "x");
  CHECK(eventually([&] { return world.rows("select doc from log") == Rows{"1", "2"}; }));
  CHECK(world.rows("select doc from t") == Rows{"x"});
}

TEST_CASE("a write that the database will never take is a dead letter, and others go on") {
  World world;
  world.database.run("begin immediate");
  for (const char* value : {"1", "bad", "2"}) {
    CHECK(world.client->call("SET", "log:1", value).text == "OK");
  }
  world.database.run("commit");
  CHECK(eventually([&] { return world.counted("source_db", "pending") == 0; }));
  CHECK(world.rows("select doc from log order by rowid") == Rows{"1", "2"});
  CHECK(world.counted("source_db", "dead_letters") == 1);
  std::ifstream file(world.journal / "dead-letters");
  const std::string letters{std::istreambuf_iterator<char>(file), {}};
  CHECK(letters.find("db=0 key=\"log:1\" value=\"bad\" why=\"CHECK constraint failed") !=
        std::string::npos);
  CHECK(world.proxy->log().find("will not take a write") != std::string::npos);
  world.start();
  CHECK(world.client->call("SET", "log:1", "3").text == "OK");
  CHECK(eventually([&] {
    return world.rows("select doc from log order by rowid") == Rows{"1", "2", "3"};
  }));
  CHECK(world.counted("source_db", "dead_letters") == 0);
}

TEST_CASE("what one source of a database has applied is not taken for what another has") {
  World world;
  std::string late = space("late", "select doc from later where id = :id",
                           "insert into later values (:id, :value)", "");
  late.replace(late.find("\"db\""), 4, "\"other\"");
  world.text += "[[source]]\nname = \"other\"\npath = \"" + world.database.path().string() +
                "\"\ntimeout_ms = 2000\n" + late;
  world.start();
  CHECK(world.client->call("SET", "late:1", "a").text == "OK");
  CHECK(world.client->call("SET", "late:2", "b").text == "OK");
  CHECK(world.client->call("SET", "log:1", "x").text == "OK");
  CHECK(eventually([&] { return world.counted("source_db", "pending") == 0; }));
  CHECK(world.counted("source_other", "pending") == 2);
  Rows expected{"a", "b"};
  SUBCASE("while it runs") {
  }
  SUBCASE("and at the next start") {
    world.proxy->signal(SIGKILL);
    world.start();
    CHECK(world.client->call("SET", "late:3", "c").text == "OK");
    CHECK(world.counted("source_other", "pending") == 3);
    expected.emplace_back("c");
  }
  world.database.run("create table later (id integer, doc text)");
  CHECK(eventually([&] { return world.counted("source_other", "pending") == 0; }));
  CHECK(world.rows("select doc from later order by rowid") == expected);
}

TEST_CASE("beyond its limit writes go through, and wait for the source") {
  World world("max_bytes = \"1mb\"\n");
  world.database.run("begin immediate");
  const std::string value(100'000, 'v');
  int journalled = 0;
  Value reply;
  for (; journalled < 100; journalled++) {
    reply = world.client->call("SET", "log:1", std::to_string(journalled) + " " + value);
    if (reply.is_error()) {
      break;
    }
  }
  CHECK(journalled >= 8);
  CHECK(journalled < 12);
  CHECK(reply.text.find("the journal is full, and the source has not come to it in time") !=
        std::string::npos);
  world.client->send("SET", "log:1", "through " + value);
  world.database.run("commit");
  CHECK(world.client->read().text == "OK");
  const Rows rows = world.rows("select doc from log order by rowid");
  REQUIRE(rows.size() == static_cast<std::size_t>(journalled) + 1);
  for (int i = 0; i < journalled; i++) {
    CHECK(rows[static_cast<std::size_t>(i)].starts_with(std::to_string(i) + " "));
  }
  CHECK(rows.back().starts_with("through"));
}

TEST_CASE("a full disk refuses writes and loses none") {
  char name[] = "/tmp/tiercache-small-XXXXXX";
  REQUIRE(::mkdtemp(name) != nullptr);
  if (::mount("tmpfs", name, "tmpfs", 0, "size=128k") != 0) {
    MESSAGE("not allowed to mount a small file system; left out");
    std::filesystem::remove(name);
    return;
  }
  Rows acknowledged;
  {
    World world("", std::filesystem::path(name) / "journal");
    world.database.run("begin immediate");
    int refused = 0;
    for (int i = 0; i < 40; i++) {
      const std::string value = std::to_string(i) + std::string(10'000, 'v');
      const Value reply = world.client->call("SET", "log:1", value);
      if (reply.text == "OK") {
        acknowledged.push_back(value);
      } else {
        CHECK(reply.text.find("the journal cannot be written: No space left on device") !=
              std::string::npos);
        refused++;
      }
    }
    CHECK(refused > 0);
    CHECK(acknowledged.size() > 5);
    world.proxy->signal(SIGKILL);
    CHECK(world.proxy->wait_exit(std::chrono::seconds(60)));
    world.database.run("commit");
    std::ofstream(std::filesystem::path(name) / "room").close();
    CHECK(::mount("tmpfs", name, "tmpfs", MS_REMOUNT, "size=10m") == 0);
    world.start();
    CHECK(eventually([&] {
      return world.rows("select doc from log order by rowid").size() >= acknowledged.size();
    }));
    CHECK(world.rows("select doc from log order by rowid") == acknowledged);
    CHECK(world.client->call("SET", "log:1", "room again").text == "OK");
  }
  CHECK(::umount(name) == 0);
  std::filesystem::remove(name);
}

// TIERCACHE_KILLS says how often.
TEST_CASE("killed at any moment: each acknowledged write is applied, in its order, once") {
  constexpr int kClients = 4;
  const char* many = std::getenv("TIERCACHE_KILLS");
  const int kills = many != nullptr ? std::atoi(many) : 15;
  World world;
  std::array<std::vector<int>, kClients> acknowledged;
  std::array<int, kClients> documents{};
  std::array<int, kClients> next{};
  std::mt19937 random(std::random_device{}());
  int total = 0;
  for (int kill = 0; kill < kills; kill++) {
    std::vector<std::thread> threads;
    std::atomic<int> done{0};
    for (std::size_t c = 0; c < kClients; c++) {
      threads.emplace_back([&, c] {
        try {
          Client client(world.proxy->port(), std::chrono::seconds(60));
          for (;;) {
            const int number = next[c]++;
            const std::string name = std::to_string(c);
            const std::string value = std::to_string(number);
            client.send("SET", "log:" + name, value);
            client.send("SET", "doc:" + name, value);
            if (client.read().text == "OK") {
              acknowledged[c].push_back(number);
              done++;
            }
            if (client.read().text == "OK") {
              documents[c] = number;
            }
          }
        } catch (const ClientError&) {
          // It was killed.
        }
      });
    }
    const int enough = static_cast<int>(random() % 300);
    CHECK(eventually([&] { return done >= enough; }));
    world.proxy->signal(SIGKILL);
    for (std::thread& thread : threads) {
      thread.join();
    }
    CHECK(world.proxy->wait_exit(std::chrono::seconds(60)));
    total += done;
    world.start();
  }
  CHECK(eventually([&] { return world.counted("source_db", "pending") == 0; }));
  for (std::size_t c = 0; c < kClients; c++) {
    const std::string id = std::to_string(c);
    const Rows rows = world.rows("select doc from log where id = " + id + " order by rowid");
    std::vector<int> numbers;
    for (const std::string& row : rows) {
      numbers.push_back(std::stoi(row));
    }
    // In their order and none twice; what is there beside the acknowledged ones was under way.
    CHECK(std::adjacent_find(numbers.begin(), numbers.end(), std::greater_equal<>()) ==
          numbers.end());
    CHECK(std::includes(numbers.begin(), numbers.end(), acknowledged[c].begin(),
                        acknowledged[c].end()));
    CHECK(numbers.size() <= acknowledged[c].size() + static_cast<std::size_t>(kills));
    const Rows doc = world.rows("select doc from t where id = " + id);
    CHECK((documents[c] == 0 || std::stoi(doc.at(0)) >= documents[c]));
    CHECK(world.get("doc:" + id) == (doc.empty() ? "nil" : doc[0]));
    CHECK(world.get("log:" + id) == (rows.empty() ? "nil" : rows.back()));
  }
  MESSAGE(kills << " kills, " << total << " acknowledged writes of the log");
}

}  // namespace tiercache::testing
