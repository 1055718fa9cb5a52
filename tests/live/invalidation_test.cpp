// CACHE INVALIDATE through the real program: a source has changed, and the copies have to go.
#include "sources_world.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

// Until the key is in Redis, and so no load of it is under way.
void load(SourcesWorld& world, const std::string& key, const std::string& value) {
  REQUIRE(eventually([&] {
    CHECK(world.client.call("GET", key).text == value);
    return world.direct.call("GET", key).text == value;
  }));
}

}  // namespace

TEST_CASE("an invalidated key is loaded anew, however many tiers had it") {
  SourcesWorld world;
  world.database.put(7, "old");
  load(world, "doc:7", "old");
  world.client.call("SET", "plain", "Redis's own");
  world.client.call("GET", "plain");
  world.database.put(7, "new");
  CHECK(world.client.call("CACHE", "INVALIDATE", "KEY", "doc:7", "plain", "none").integer >= 1);
  CHECK(world.client.call("GET", "doc:7").text == "new");
  CHECK(world.direct.call("GET", "plain").text == "Redis's own");
  CHECK(world.client.call("GET", "plain").text == "Redis's own");
  // What was known to be absent too.
  CHECK(world.client.call("GET", "doc:8").is_nil());
  world.database.put(8, "there");
  CHECK(world.client.call("CACHE", "INVALIDATE", "KEY", "doc:8").integer == 0);
  CHECK(world.client.call("GET", "doc:8").text == "there");
  // Of the client's db only.
  Client other(world.proxy.port());
  other.call("SELECT", "3");
  load(world, "doc:7", "new");
  CHECK(other.call("CACHE", "INVALIDATE", "KEY", "doc:7").integer == 0);
  CHECK(world.direct.call("EXISTS", "doc:7").integer == 1);
}

TEST_CASE("a prefix and a namespace are invalidated whole, and nothing else is") {
  SourcesWorld world;
  constexpr int kKeys = 1000;
  world.client.call("SET", "doc", "Redis's own");
  world.client.call("SET", "doc:[x", "not a key of the pattern");
  for (int i = 0; i < kKeys; i++) {
    world.database.put(i, "old");
    load(world, "doc:" + std::to_string(i), "old");
  }
  load(world, "slow:1", "old");
  for (int i = 0; i < kKeys; i++) {
    world.database.put(i, "new");
  }
  CHECK(world.client.call("CACHE", "INVALIDATE", "PREFIX", "doc:1", "WAIT").integer >= 111);
  for (int i = 0; i < kKeys; i++) {
    const std::string number = std::to_string(i);
    CHECK(world.client.call("GET", "doc:" + number).text == (number[0] == '1' ? "new" : "old"));
  }
  // Its glob is escaped.
  CHECK(world.client.call("CACHE", "INVALIDATE", "PREFIX", "doc:[", "WAIT").integer >= 1);
  CHECK(world.direct.call("EXISTS", "doc:[x").integer == 0);
  CHECK(world.client.call("GET", "doc:2").text == "old");
  CHECK(world.client.call("CACHE", "INVALIDATE", "NAMESPACE", "docs", "WAIT").integer >= 889);
  for (int i = 0; i < kKeys; i++) {
    CHECK(world.client.call("GET", "doc:" + std::to_string(i)).text == "new");
  }
  CHECK(world.client.call("GET", "slow:1").text == "old");
  CHECK(world.direct.call("GET", "doc").text == "Redis's own");
}

TEST_CASE("the keys of a tag go in all namespaces, and no others") {
  SourcesWorld world;
  for (const int id : {1, 7, 77}) {
    world.database.put(id, "old");
    load(world, "doc:" + std::to_string(id), "old");
    load(world, "slow:" + std::to_string(id), "old");
    world.database.put(id, "new");
  }
  world.client.call("SET", "doc:x7", "no key of the pattern");
  CHECK(world.client.call("CACHE", "INVALIDATE", "TAG", "id", "7", "WAIT").integer >= 2);
  for (const std::string space : {"doc:", "slow:"}) {
    CHECK(world.client.call("GET", space + "1").text == "old");
    CHECK(world.client.call("GET", space + "7").text == "new");
    CHECK(world.client.call("GET", space + "77").text == "old");
  }
  CHECK(world.client.call("GET", "doc:x7").text == "no key of the pattern");
  CHECK(world.client.call("CACHE", "INVALIDATE", "TAG", "id", "9", "WAIT").integer == 0);
  CHECK(world.client.call("CACHE", "INVALIDATE", "TAG", "id").is_error());
  CHECK(world.client.call("CACHE", "INVALIDATE", "TAG", "other", "7").text ==
        "ERR tiercache: no namespace with a source has keys with a part 'other'");
}

TEST_CASE("once an invalidation is acknowledged nobody reads what was before") {
  SourcesWorld world;
  world.proxy.wait_live();
  world.database.put(1, "0");
  std::atomic<int> acknowledged{0};
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::atomic<bool> any_wrong{false};
  std::vector<std::string> wrong(4);
  std::vector<std::thread> readers;
  for (std::size_t i = 0; i < wrong.size(); i++) {
    readers.emplace_back([&, i] {
      Client client(world.proxy.port(), std::chrono::seconds(60));
      const std::string key = i % 2 == 0 ? "doc:1" : "slow:1";
      while (!stop && wrong[i].empty()) {
        const int least = acknowledged;
        const Value reply = client.call("GET", key);
        if (reply.is_error() || reply.is_nil() || std::stoi(reply.text) < least) {
          wrong[i] = key + " says " + reply.to_string() + " after " + std::to_string(least);
          any_wrong = true;
        }
        reads++;
      }
    });
  }
  const std::vector<std::vector<std::string>> ways = {
      {"CACHE", "INVALIDATE", "KEY", "doc:1", "slow:1"},
      {"CACHE", "INVALIDATE", "PREFIX", "", "WAIT"},
      {"CACHE", "INVALIDATE", "PREFIX", ""},
      {"CACHE", "INVALIDATE", "TAG", "id", "1"},
      {"CACHE", "INVALIDATE", "KEY", "slow:1", "doc:1"},
  };
  for (int version = 1; version <= 150 && !any_wrong; version++) {
    world.database.put(1, std::to_string(version));
    const Value reply = world.client.call(ways[static_cast<std::size_t>(version) % ways.size()]);
    CHECK_MESSAGE(!reply.is_error(), reply.to_string());
    acknowledged = version;
    const int before = reads;
    // Some of what is read is a load, a copy in Redis, or one in L1.
    CHECK(eventually([&] { return any_wrong || reads >= before + version % 20; }));
  }
  stop = true;
  for (std::thread& reader : readers) {
    reader.join();
  }
  for (const std::string& what : wrong) {
    CHECK_MESSAGE(what.empty(), what);
  }
  MESSAGE(reads.load() << " reads");
}

TEST_CASE("an invalidation of very many keys is answered while Redis answers nothing") {
  constexpr int kKeys = 100'000;
  SourcesWorld world({"threads=2", "coherence.max_staleness_ms=60000", "l1.max_memory=256mb",
                      "coherence.hold_limit_ms=60000", "upstream.response_timeout_ms=60000"});
  world.proxy.wait_live();
  world.database.run("with recursive n(i) as (select 0 union all select i + 1 from n where i < " +
                     std::to_string(kKeys) + ") insert into t select i, 'old' from n");
  const auto all = [&](Client& client, const std::string& word, const std::string& value) {
    std::vector<std::string> request{word};
    for (int i = 0; i < kKeys; i++) {
      request.push_back("doc:" + std::to_string(i));
      if (!value.empty()) {
        request.push_back(value);
      }
      if (i % 100 == 99) {
        client.call(request);
        request.resize(1);
      }
    }
  };
  all(world.direct, "MSET", "old");
  // What is still heard of the writes costs entries; a slow machine is longer about it.
  CHECK(eventually([&] {
    all(world.client, "MGET", "");
    return world.client.call("CACHE", "STATS").find("l1_entries")->integer >= kKeys;
  }));
  world.client.call("SET", "plain:1", "kept");
  CHECK(world.client.call("GET", "plain:1").text == "kept");
  CHECK(world.client.call("GET", "doc:7").text == "old");
  world.database.run("update t set doc = 'new'");
  std::vector<std::unique_ptr<Client>> readers;
  for (int i = 0; i < 4; i++) {  // of both threads
    readers.push_back(std::make_unique<Client>(world.proxy.port(), std::chrono::seconds(60)));
    readers.back()->call("PING");
  }
  world.redis.pause();
  CHECK(world.client.call("CACHE", "INVALIDATE", "NAMESPACE", "docs").text == "OK");
  CHECK(world.client.call("CACHE", "INVALIDATE", "PREFIX", "plain:").text == "OK");
  const Value stats = world.client.call("CACHE", "STATS");
  CHECK(stats.find("invalidations_pending")->integer >= 1);
  // Nobody is answered from L1, which has them all, nor later from Redis, which has them too.
  for (std::size_t i = 0; i < readers.size(); i++) {
    readers[i]->send({"GET", "doc:" + std::to_string(7 + i)});
  }
  CHECK(world.client.call("CACHE", "INVALIDATE", "TAG", "id", "7").text == "OK");
  world.redis.resume();
  for (const auto& reader : readers) {
    CHECK(reader->read().text == "new");
  }
  for (int i = 0; i < kKeys; i += 997) {
    CHECK(world.client.call("GET", "doc:" + std::to_string(i)).text == "new");
  }
  CHECK(world.client.call("GET", "plain:1").text == "kept");
  // In the end they are gone from both.
  REQUIRE(eventually([&] {
    return world.client.call("CACHE", "STATS").find("invalidations_pending")->integer == 0;
  }));
  CHECK(world.direct.call("DBSIZE").integer < kKeys / 10);
  CHECK(world.client.call("CACHE", "STATS").find("l1_entries")->integer < kKeys / 10);
}

TEST_CASE("what Redis does not do is tried again until it does, and WAIT is told of it") {
  SourcesWorld world;
  world.database.put(7, "old");
  load(world, "doc:7", "old");
  world.redis.kill9();
  REQUIRE(eventually([&] {
    return world.client.call("CACHE", "INVALIDATE", "NAMESPACE", "docs", "WAIT")
        .text.starts_with("ERR tiercache: not all copies are invalidated: ");
  }));
  world.database.put(7, "new");
  CHECK(world.client.call("CACHE", "INVALIDATE", "NAMESPACE", "docs").text == "OK");
  CHECK(world.client.call("CACHE", "STATS").find("invalidations_pending")->integer == 1);
  CHECK(world.client.call("GET", "doc:7").text == "new");
  world.redis.start();
  Client direct(world.redis.port());
  direct.call("SET", "doc:7", "old");
  REQUIRE(eventually([&] {
    return world.client.call("CACHE", "STATS").find("invalidations_pending")->integer == 0;
  }));
  CHECK(world.client.call("GET", "doc:7").text == "new");
}

TEST_CASE("what cannot be invalidated says why") {
  SourcesWorld world;
  CHECK(world.client.call("CACHE", "INVALIDATE", "NAMESPACE", "nope").text ==
        "ERR tiercache: there is no namespace 'nope'");
  CHECK(world.client.call("CACHE", "INVALIDATE", "KEY").text ==
        "ERR wrong number of arguments for 'cache|invalidate' command");
  CHECK(world.client.call("CACHE", "INVALIDATE", "PREFIX", "a", "b").text ==
        "ERR wrong number of arguments for 'cache|invalidate' command");
  CHECK(world.client.call("CACHE", "INVALIDATE", "TAG", "x").is_error());
  world.database.put(7, "old");
  load(world, "doc:7", "old");
  world.redis.kill9();
  REQUIRE(eventually([&] {
    return world.client.call("CACHE", "INVALIDATE", "KEY", "doc:7")
        .text.starts_with("ERR tiercache: not all copies are invalidated: ");
  }));
}

}  // namespace tiercache::testing
