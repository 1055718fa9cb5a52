// [[warmup]] with load: what Redis has not comes from the source, through the real program.
#include "sources_world.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

// The proxy starts when the source has its rows. Its L1 is not emptied because the machine stalls.
struct LoadingWorld {
  RedisServer redis;
  Client direct{redis.port()};
  Database database{redis.directory() / "test.db"};
  std::unique_ptr<TiercacheProcess> proxy;
  std::unique_ptr<Client> client;

  explicit LoadingWorld(int rows) {
    database.run(
        "insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < " +
        std::to_string(rows) + ") select i, 'doc ' || i from n");
  }
  void start(const std::string& warmups, const std::string& source = "queue = 1000\n") {
    proxy = std::make_unique<TiercacheProcess>(
        redis.port(),
        std::vector<std::string>{"threads=2", "coherence.max_staleness_ms=60000",
                                 "coherence.hold_limit_ms=60000"},
        sources_conf(database.path().string(), source + "timeout_ms = 60000\n" + warmups));
    client = std::make_unique<Client>(proxy->port(), std::chrono::seconds(60));
  }
  std::int64_t warmed(const std::string& field) {
    const Value all = client->call("CACHE", "WARM", "STATUS");
    return all.find("warmups")->items.at(0).find(field)->integer;
  }
  bool done() {
    const Value all = client->call("CACHE", "WARM", "STATUS");
    return all.find("warmups")->items.at(0).find("state")->text == "done";
  }
  std::int64_t counted(const std::string& line, const std::string& what) {
    return testing::counted(*client, line, what);
  }
};

std::string warmup(const std::string& rest) {
  return "[[warmup]]\nname = \"w\"\nload = true\n" + rest;
}

}  // namespace

TEST_CASE("before an empty Redis a warmup brings all of a source's rows, each with one load") {
  constexpr int kRows = 3000;
  LoadingWorld world(kRows);
  world.start(warmup("strategy = \"query\"\nsource = \"db\"\nrequired = true\n"
                     "query = \"select 'doc:' || id from t\"\ndeadline_ms = 86400000\n"),
              "queue = 40\nconcurrency = 2\n");
  CHECK(world.done());
  CHECK(world.warmed("seen") == kRows);
  CHECK(world.warmed("loaded") == kRows);
  CHECK(world.warmed("failed") == 0);
  CHECK(world.counted("namespace_docs", "loads") == kRows);
  CHECK(world.counted("source_db", "refused") == 0);
  CHECK(world.counted("source_db", "most_running") <= 2);
  const std::int64_t stored = world.counted("namespace_docs", "load_stored");
  CHECK(world.direct.call("DBSIZE").integer == stored);
  CHECK(world.direct.call("PTTL", "doc:7").integer <= 60'000);
  const std::int64_t before = world.proxy->stat("l1_hits");
  for (int i = 1; i <= kRows; i++) {
    world.client->send("GET", "doc:" + std::to_string(i));
  }
  int right = 0;
  for (int i = 1; i <= kRows; i++) {
    right += world.client->read().text == "doc " + std::to_string(i) ? 1 : 0;
  }
  CHECK(right == kRows);
  CHECK(world.counted("namespace_docs", "loads") <= kRows + (kRows - stored));
  if (world.proxy->stat("event_link_losses") == 0) {
    // A store that is heard of while a key of the same stripe is loaded costs that key's being
    // stored, while it is read its entry; the slower the machine, the more of them.
    CHECK(stored >= kRows * 95 / 100);
    CHECK(world.warmed("filled") >= kRows * 95 / 100);
    CHECK(world.proxy->stat("l1_hits") >= before + kRows * 95 / 100);
  }
}

TEST_CASE("a warmup that loads counts what a source has not and where it fails, and goes on") {
  LoadingWorld world(10);
  world.direct.call("SET", "doc:2", "from Redis");
  world.direct.call("SET", "plain", "value");
  world.start(
      warmup("strategy = \"keys\"\nrequired = true\ndeadline_ms = 86400000\nkeys = [\"broken:1\", "
             "\"doc:1\", \"doc:2\", \"doc:77\", \"broken:2\", \"doc:unfit\", \"mild:1\", "
             "\"plain\", \"none\"]\n"));
  CHECK(world.done());
  CHECK(world.warmed("seen") == 9);
  CHECK(world.warmed("loaded") == 1);
  CHECK(world.warmed("failed") == 3);
  CHECK(world.counted("namespace_docs", "load_absent") == 1);
  CHECK(world.counted("namespace_docs", "load_unfit") == 1);
  CHECK(world.warmed("filled") + world.warmed("present") + world.warmed("refused") == 6);
  CHECK(world.client->call("GET", "doc:1").text == "doc 1");
  CHECK(world.client->call("GET", "doc:2").text == "from Redis");
  CHECK(world.proxy->log().find("warmup 'w': done; 9 keys scanned, 1 loaded") != std::string::npos);
}

TEST_CASE("rows that are hashes are loaded into Redis, and counted apart from what L1 refuses") {
  LoadingWorld world(3);
  world.direct.call("HSET", "row:2", "doc", "from Redis");
  world.start(
      warmup("strategy = \"keys\"\nrequired = true\ndeadline_ms = 86400000\n"
             "keys = [\"row:1\", \"row:2\", \"row:77\", \"doc:3\"]\n"
             "[[namespace]]\nname = \"rows\"\nmatch = [\"row:*\"]\ntiers = \"l1+l2+l3\"\n"
             "source = \"db\"\nkey = \"row:{id:int}\"\nresult = \"hash\"\nl2_ttl_ms = 60000\n"
             "query = \"select doc from t where id = :id\"\n"));
  CHECK(world.done());
  CHECK(world.warmed("seen") == 4);
  CHECK(world.warmed("loaded") == 2);
  CHECK(world.warmed("other_type") == 2);
  CHECK(world.warmed("filled") + world.warmed("refused") == 2);
  CHECK(world.warmed("refused") >= 1);
  CHECK(world.warmed("failed") == 0);
  CHECK(world.direct.call("HGET", "row:2", "doc").text == "from Redis");
  CHECK(eventually([&] {  // it is not stored where L1 was emptied meanwhile
    CHECK(world.client->call("HGET", "row:1", "doc").text == "doc 1");
    return world.direct.call("TYPE", "row:1").text == "hash";
  }));
}

TEST_CASE("what a warmup loads and clients ask for meanwhile is one load") {
  constexpr int kRows = 40;
  LoadingWorld world(kRows);
  world.start(warmup("strategy = \"query\"\nsource = \"db\"\n"
                     "query = \"select 'slow:' || id from t\"\n"),
              "concurrency = 1\nqueue = 1000\n");
  for (int i = kRows; i > 0; i--) {
    world.client->send("GET", "slow:" + std::to_string(i));
  }
  for (int i = kRows; i > 0; i--) {
    CHECK(world.client->read().text == "doc " + std::to_string(i));
  }
  CHECK(eventually([&] { return world.done(); }));
  CHECK(world.counted("namespace_slow", "loads") ==
        kRows + world.counted("namespace_slow", "load_not_stored"));
  CHECK(world.counted("source_db", "most_running") == 1);
}

}  // namespace tiercache::testing
