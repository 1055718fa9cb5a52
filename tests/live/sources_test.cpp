// Sources: what Redis has not is loaded from an SQLite file, through the real program.
#include "sources_world.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <sys/resource.h>

namespace tiercache::testing {

TEST_CASE("what Redis has not is loaded, put there with its TTL, and then found there and in L1") {
  SourcesWorld world;
  world.proxy.wait_live();
  world.database.put(7, "seven");
  CHECK(world.client.call("GET", "doc:7").text == "seven");
  // It is not stored if L1 is emptied meanwhile, as it is when a fence does not come in time.
  CHECK(eventually([&] {
    CHECK(world.client.call("GET", "doc:7").text == "seven");
    return world.direct.call("GET", "doc:7").text == "seven";
  }));
  CHECK(world.direct.call("PTTL", "doc:7").integer > 0);
  CHECK(world.direct.call("PTTL", "doc:7").integer <= 60'000);
  CHECK(eventually([&] {
    CHECK(world.client.call("GET", "doc:7").text == "seven");
    return world.docs("hits") > 0;
  }));
  const std::int64_t loads = world.docs("loads");
  CHECK(loads == 1 + world.docs("load_not_stored"));
  CHECK(world.docs("load_stored") == 1);
  CHECK(world.counted("source_db", "loads") == loads);
  CHECK(world.client.call("INFO", "tiers").text.find("l3_loads:" + std::to_string(loads)) !=
        std::string::npos);
  const Value explained = world.client.call("CACHE", "EXPLAIN", "doc:7");
  CHECK(explained.find("tiers")->text == "l1+l2+l3");
  CHECK(explained.find("source")->text == "db");
  // What is in Redis goes before the source.
  world.direct.call("SET", "doc:8", "from Redis");
  CHECK(world.client.call("GET", "doc:8").text == "from Redis");
  world.client.call("HELLO", "3");
  world.database.put(9, "");
  CHECK(world.client.call("GET", "doc:9").text.empty());
  CHECK(world.docs("loads") == loads + 1);
}

TEST_CASE("ten thousand clients that ask for one cold key are one load") {
  constexpr rlim_t kFiles = 25'000;
  rlimit files{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
  files.rlim_max = std::max(files.rlim_max, kFiles);
  files.rlim_cur = std::max(files.rlim_cur, kFiles);
  // Where that is not allowed, as many as are.
  const bool all = ::setrlimit(RLIMIT_NOFILE, &files) == 0;
  const int many = all ? 10'000 : 400;
  SourcesWorld world({"threads=2", "listen.max_clients=12000"});
  world.proxy.wait_live();
  world.database.put(1, "one");
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < many; i++) {
    clients.push_back(std::make_unique<Client>(world.proxy.port(), std::chrono::seconds(60)));
  }
  for (const auto& client : clients) {
    client->send("GET", "slow:1");
  }
  int right = 0;
  for (const auto& client : clients) {
    right += client->read().text == "one" ? 1 : 0;
  }
  CHECK(right == many);
  CHECK(world.counted("namespace_slow", "loads") ==
        1 + world.counted("namespace_slow", "load_not_stored"));
}

TEST_CASE("a drain that ends while loads are under way is a clean end") {
  RedisServer redis;
  Database database(redis.directory() / "test.db");
  // A load that ends by its timeout only.
  std::string conf = sources_conf(database.path().string(), "timeout_ms = 5000\n");
  conf.replace(conf.find("20000"), 5, "2000000000");
  TiercacheProcess proxy(redis.port(), {"threads=2", "limits.drain_timeout_ms=100"}, conf);
  Client asking(proxy.port(), std::chrono::seconds(60));
  Client watching(proxy.port(), std::chrono::seconds(60));
  int asked = 0;
  CHECK(eventually([&] {
    database.put(++asked, "x");
    asking.send("GET", "slow:" + std::to_string(asked));
    const std::string text = watching.call("CACHE", "STATS").find("source_db")->text;
    return text.find(",running=0") == std::string::npos;
  }));
  proxy.signal(SIGTERM);
  CHECK(proxy.wait_exit(std::chrono::seconds(60)) == 0);
  CHECK(proxy.log().find("sessions still had requests in flight") != std::string::npos);
}

TEST_CASE("cold keys in their thousands are loaded so many at a time") {
  constexpr int kKeys = 100'000;
  constexpr int kPipeline = 1000;
  SourcesWorld world({"threads=2"}, "concurrency = 3\ntimeout_ms = 60000\nqueue = 1000\n");
  world.proxy.wait_live();
  world.database.run(
      "insert into t with recursive n(i) as (select 1 union all select i + 1 from n "
      "where i < " +
      std::to_string(kKeys) + ") select i, 'doc ' || i from n");
  int right = 0;
  for (int begin = 1; begin <= kKeys; begin += kPipeline) {
    for (int i = begin; i < begin + kPipeline; i++) {
      world.client.send("GET", "doc:" + std::to_string(i));
    }
    for (int i = begin; i < begin + kPipeline; i++) {
      right += world.client.read().text == "doc " + std::to_string(i) ? 1 : 0;
    }
  }
  CHECK(right == kKeys);
  CHECK(world.docs("loads") == kKeys);
  CHECK(world.counted("source_db", "most_running") <= 3);
  CHECK(world.counted("source_db", "refused") == 0);
}

TEST_CASE("absence is remembered for a while, and no longer than it is true") {
  SourcesWorld world;
  world.proxy.wait_live();
  CHECK(world.client.call("GET", "doc:5").is_nil());
  CHECK(world.docs("load_absent") == 1);
  world.database.put(5, "five");
  // Only its age shows that.
  CHECK(eventually([&] { return world.client.call("GET", "doc:5").text == "five"; }));
  CHECK(world.client.call("GET", "doc:6").is_nil());
  world.database.put(6, "six");
  CHECK(world.client.call("DEL", "doc:6").integer == 0);
  CHECK(world.client.call("GET", "doc:6").text == "six");
  world.client.call("HELLO", "3");
  CHECK(world.client.call("GET", "doc:99").is_nil());
  CHECK(world.client.last_raw() == "_\r\n");
}

TEST_CASE("a key that the pattern does not fit is Redis's alone") {
  SourcesWorld world;
  for (const char* key : {"doc:x", "doc:07", "doc:", "doc:7:8"}) {
    CHECK(world.client.call("GET", key).is_nil());
  }
  CHECK(world.docs("load_unfit") == 4);
  CHECK(world.docs("loads") == 0);
}

TEST_CASE("a failed load is an error that names source and namespace, or nil where so configured") {
  SourcesWorld world;
  CHECK(world.client.call("GET", "broken:1").text ==
        "ERR tiercache: source 'db' of namespace 'broken': no such table: later");
  CHECK(world.client.call("GET", "mild:1").is_nil());
  CHECK(world.counted("namespace_broken", "load_failed") == 1);
  CHECK(world.counted("namespace_mild", "load_failed") == 1);
  CHECK(world.counted("source_db", "failed") == 2);
  world.database.run("create table later (doc text); insert into later values ('some')");
  CHECK(world.client.call("GET", "broken:1").text == "some");
  CHECK(world.client.call("GET", "mild:1").text == "some");
}

TEST_CASE("a source's limits hold") {
  SourcesWorld world({"threads=2"}, "concurrency = 2\nqueue = 10\ntimeout_ms = 60000\n");
  for (int i = 0; i < 500; i++) {
    world.database.put(i, std::to_string(i));
  }
  for (int i = 0; i < 500; i++) {
    world.client.send("GET", "slow:" + std::to_string(i));
  }
  int refused = 0;
  for (int i = 0; i < 500; i++) {
    const Value value = world.client.read();
    if (value.is_error()) {
      CHECK(value.text.ends_with("too many loads are waiting"));
      refused++;
    } else {
      CHECK(value.text == std::to_string(i));
    }
  }
  CHECK(refused > 0);
  CHECK(world.counted("source_db", "most_running") <= 2);
  CHECK(world.counted("source_db", "refused") == refused);
  CHECK(world.counted("source_db", "loads") == 500 - refused);
}

TEST_CASE("reads of a string and of several load as GET does") {
  SourcesWorld world;
  world.proxy.wait_live();
  for (int i = 1; i <= 9; i++) {
    world.database.put(i, "value " + std::to_string(i));
  }
  CHECK(world.client.call("STRLEN", "doc:1").integer == 7);
  CHECK(world.client.call("GETRANGE", "doc:2", "-3", "-1").text == "e 2");
  CHECK(world.client.call("EXISTS", "doc:3").integer == 1);
  CHECK(world.client.call("EXISTS", "doc:100").integer == 0);
  CHECK(world.client.call("STRLEN", "doc:104").integer == 0);
  CHECK(world.client.call("GETRANGE", "doc:101", "0", "-1").text.empty());
  CHECK(world.docs("loads") == 6);
  world.direct.call("SET", "plain", "from Redis");
  const Value all =
      world.client.call("MGET", "doc:4", "plain", "doc:102", "doc:4", "slow:5", "none", "doc:x");
  REQUIRE(all.items.size() == 7);
  CHECK(all.items[0].text == "value 4");
  CHECK(all.items[1].text == "from Redis");
  CHECK(all.items[2].is_nil());
  CHECK(all.items[3].text == "value 4");
  CHECK(all.items[4].text == "value 5");
  CHECK(all.items[5].is_nil());
  CHECK(all.items[6].is_nil());
  CHECK(world.docs("loads") == 8);
  CHECK(eventually([&] {
    return world.client.call("MGET", "doc:4", "slow:5").items[1].text == "value 5" &&
           world.docs("hits") > 0;
  }));
  CHECK(world.client.call("MGET", "doc:4", "broken:1").text ==
        "ERR tiercache: source 'db' of namespace 'broken': no such table: later");
  CHECK(world.client.call("MGET", "doc:4", "mild:1").items[1].is_nil());
  world.client.call("HELLO", "3");
  CHECK(world.client.call("MGET", "doc:103", "doc:6").items[1].text == "value 6");
  CHECK(world.client.last_raw().starts_with("*2\r\n_\r\n"));
}

TEST_CASE("it loads where L1 may not keep what is read") {
  SourcesWorld world({"threads=1", "l1.commands=[\"hget\"]"});
  world.proxy.wait_live();
  world.database.put(1, "one");
  world.database.put(2, "two");
  CHECK(world.client.call("GET", "doc:1").text == "one");
  CHECK(world.client.call("MGET", "doc:1", "doc:2").items[1].text == "two");
  CHECK(world.docs("hits") == 0);
  CHECK(world.docs("fills") == 0);
}

TEST_CASE("it loads without L1, and without the event link") {
  SourcesWorld world({"threads=1", "l1.enabled=false"});
  world.database.put(7, "seven");
  CHECK(world.client.call("GET", "doc:7").text == "seven");
  // Absence is remembered, once the event link has begun or given up.
  CHECK(eventually([&] {
    CHECK(world.client.call("GET", "doc:8").is_nil());
    const std::int64_t before = world.docs("load_absent");
    CHECK(world.client.call("GET", "doc:8").is_nil());
    return before > 0 && world.docs("load_absent") == before;
  }));
}

// Whoever updates the source and then invalidates through the proxy never sees an older value after
// the answer, however loads and stores fall: by DEL, in a transaction, by a script.
TEST_CASE("no older value is seen once an invalidation is acknowledged") {
  SourcesWorld world;
  world.proxy.wait_live();
  constexpr int kKeys = 4;
  constexpr int kRounds = 400;
  std::atomic<int> acknowledged[kKeys] = {};
  for (int key = 0; key < kKeys; key++) {
    world.database.put(key, "0");
  }
  std::atomic<bool> done{false};
  std::atomic<int> older{0};
  std::atomic<int> reads{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 4; t++) {
    readers.emplace_back([&, t] {
      Client client(world.proxy.port(), std::chrono::seconds(60));
      for (int i = t; !done; i++) {
        const int key = i % kKeys;
        const int least = acknowledged[key];
        const Value value =
            client.call("GET", (i % 2 == 0 ? "slow:" : "doc:") + std::to_string(key));
        older += value.is_error() || value.is_nil() || std::stoi(value.text) < least ? 1 : 0;
        reads++;
      }
    });
  }
  for (int round = 1; round <= kRounds; round++) {
    const int key = round % kKeys;
    const std::string id = std::to_string(key);
    world.database.put(key, std::to_string(round));
    const std::string doc = "doc:" + id;
    const std::string slow = "slow:" + id;
    switch (round / kKeys % 4) {
      case 0:
        world.client.call("DEL", doc, slow);
        break;
      case 1:
        world.client.call("MULTI");
        world.client.call("UNLINK", doc);
        world.client.call("DEL", slow);
        world.client.call("EXEC");
        break;
      case 2:
        world.client.call("EVAL", "return redis.call('del', KEYS[1], ARGV[1])", "1", doc, slow);
        break;
      default:
        world.client.call("WATCH", "elsewhere");
        world.client.call("DEL", doc, slow);
        world.client.call("UNWATCH");
        break;
    }
    acknowledged[key] = round;
    const int before = reads;
    CHECK(eventually([&] { return reads >= before + 8; }));
  }
  done = true;
  for (std::thread& reader : readers) {
    reader.join();
  }
  CHECK(older == 0);
  CHECK(world.docs("load_stored") > 0);
  // What it is about has happened.
  CHECK(world.counted("namespace_slow", "load_not_stored") > 0);
}

}  // namespace tiercache::testing
