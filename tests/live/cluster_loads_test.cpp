// Sources over a Redis Cluster: what a node has not is loaded, and stored where its slot is, also
// while slots move.
#include "cluster_proxied.hpp"
#include "cluster_world.hpp"
#include "sources_world.hpp"

#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

std::string name(int id) {
  return "doc:" + std::to_string(id);
}

struct Loading {
  ClusterWorld world;
  Database database{world.server(0).directory() / "test.db"};
  Proxied proxied;
  Client client;

  explicit Loading(const std::string& more = "")
      : proxied(world, {"threads=2", "coherence.max_staleness_ms=60000"}, conf(more)),
        client(proxied.proxy.port(), std::chrono::seconds(60)) {
  }
  std::string conf(const std::string& more) const {
    return sources_conf(database.path().string(), "timeout_ms = 60000\nqueue = 100000\n") + more;
  }
  void put_all(int rows, const std::string& text) {
    database.run("begin");
    for (int id = 1; id <= rows; id++) {
      database.put(id, text + std::to_string(id));
    }
    database.run("commit");
  }
  // It is not stored if L1 is emptied meanwhile, as on a machine that stalls.
  bool stored(const std::string& key, const std::string& value) {
    return eventually([&] {
      return client.call("GET", key).text == value &&
             world.direct(key).call("GET", key).text == value;
    });
  }
  static std::int64_t counted(std::uint16_t port, const std::string& what) {
    Client other(port, std::chrono::seconds(60));
    return testing::counted(other, "namespace_docs", what);
  }
  std::int64_t counted(const std::string& what) {
    return counted(proxied.proxy.port(), what);
  }
};

}  // namespace

TEST_CASE("keys of all nodes are loaded once, stored on their own node, and then hit") {
  constexpr int kRows = 40;
  Loading at;
  at.put_all(kRows, "doc ");
  std::set<std::size_t> owners;
  for (int id = 1; id <= kRows; id++) {
    CHECK(at.client.call("GET", name(id)).text == "doc " + std::to_string(id));
    owners.insert(at.world.owner_of(name(id)));
  }
  CHECK(owners.size() == 3);
  for (int id = 1; id <= kRows; id++) {
    CHECK(at.stored(name(id), "doc " + std::to_string(id)));
  }
  CHECK(at.counted("loads") == kRows + at.counted("load_not_stored"));
  CHECK(hits(at.proxied, at.client, name(1)));
  CHECK(at.client.call("STRLEN", name(2)).integer == 5);
  CHECK(at.client.call("GET", "doc:999").is_nil());
}

TEST_CASE("MGET over the nodes loads what they lack, and writes of several nodes are announced") {
  constexpr int kRows = 60;
  Loading at;
  at.put_all(kRows, "doc ");
  at.world.direct("doc:7").call("SET", "doc:7", "from Redis");
  std::vector<std::string> get{"MGET"};
  std::vector<std::string> remove{"DEL"};
  for (int id = 1; id <= kRows + 3; id++) {
    get.push_back(name(id));
    remove.push_back(name(id));
  }
  get.insert(get.end(), {"plain", name(1)});
  const auto check = [&](const std::string& text, const std::string& seventh) {
    const Value all = at.client.call(get);
    REQUIRE(all.items.size() == kRows + 5);
    for (int id = 1; id <= kRows; id++) {
      CHECK(all.items[static_cast<std::size_t>(id - 1)].text ==
            (id == 7 ? seventh : text + std::to_string(id)));
    }
    for (std::size_t i = kRows; i < kRows + 4; i++) {
      CHECK(all.items[i].is_nil());
    }
    CHECK(all.items.back().text == text + "1");
  };
  check("doc ", "from Redis");
  const std::int64_t loads = at.counted("loads");
  for (int id = 1; id <= kRows; id++) {
    CHECK(at.stored(name(id), id == 7 ? "from Redis" : "doc " + std::to_string(id)));
  }
  CHECK(loads >= kRows + 2);
  at.put_all(kRows, "new ");
  CHECK(at.client.call(remove).integer == kRows);
  check("new ", "new 7");
}

TEST_CASE("MGET over the nodes tells who has asked for it how much of it is stale, and why") {
  constexpr int kRows = 12;
  Loading at(
      "[[namespace]]\nname = \"aged\"\nmatch = [\"aged:*\"]\ntiers = \"l1+l2+l3\"\n"
      "source = \"db\"\nkey = \"aged:{id:int}\"\nl2_ttl_ms = 300\n"
      "stale_if_error_ms = 600000\nquery = \"select doc from t where id = :id\"\n");
  at.put_all(kRows, "doc ");
  std::vector<std::string> get{"MGET"};
  std::string values;
  std::set<std::size_t> owners;
  for (int id = 1; id <= kRows; id++) {
    const std::string key = "aged:" + std::to_string(id);
    const std::string value = "doc " + std::to_string(id);
    REQUIRE(at.stored(key, value));
    owners.insert(at.world.owner_of(key));
    get.push_back(key);
    values += "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
  }
  CHECK(owners.size() == 3);
  at.world.direct("doc:1").call("SET", "doc:1", "fresh");
  get.push_back("doc:1");
  const std::string reply = "*" + std::to_string(kRows + 1) + "\r\n" + values + "$5\r\nfresh\r\n";
  const std::string mark = "|2\r\n$15\r\ntiercache.stale\r\n:" + std::to_string(kRows) +
                           "\r\n$23\r\ntiercache.stale_because\r\n$13\r\nsource_failed\r\n";
  at.database.run("alter table t rename to away");
  at.client.call("HELLO", "3");
  CHECK(at.client.call("CACHE", "MARK", "ON").text == "OK");
  CHECK(eventually([&] {
    at.client.call(get);
    return at.client.last_raw() == mark + reply;
  }));
  at.client.call("CACHE", "MARK", "OFF");
  at.client.call(get);
  CHECK(at.client.last_raw() == reply);
}

TEST_CASE("invalidations reach Redis's copies on whichever node they are") {
  constexpr int kRows = 40;
  Loading at(
      "[[namespace]]\nname = \"aged\"\nmatch = [\"aged:*\"]\ntiers = \"l1+l2+l3\"\n"
      "source = \"db\"\nkey = \"aged:{id:int}\"\nl2_ttl_ms = 60000\n"
      "stale_while_revalidate_ms = 60000\nquery = \"select doc from t where id = :id\"\n");
  std::vector<std::vector<std::string>> ways{{"KEY"}};
  for (int id = 1; id <= kRows; id++) {
    ways[0].push_back(name(id));
  }
  ways.push_back({"PREFIX", "doc:", "WAIT"});
  ways.push_back({"NAMESPACE", "docs", "WAIT"});
  ways.push_back({"PREFIX", "doc:"});
  ways.push_back({"NAMESPACE", "docs"});
  int round = 0;
  for (std::vector<std::string> way : ways) {
    CAPTURE(way[0]);
    const std::string text = "round " + std::to_string(round++) + " ";
    way.insert(way.begin(), {"CACHE", "INVALIDATE"});
    at.put_all(kRows, text);
    const Value answer = at.client.call(way);
    CHECK((answer.type == Value::Type::integer || answer.text == "OK"));
    for (int id = 1; id <= kRows; id++) {
      REQUIRE(at.stored(name(id), text + std::to_string(id)));
    }
  }
  at.put_all(kRows, "last ");
  CHECK(at.client.call("CACHE", "INVALIDATE", "TAG", "id", "9").text == "OK");
  CHECK(at.client.call("GET", "doc:9").text == "last 9");
  CHECK(at.client.call("GET", "doc:8").text == "round 4 8");
  // Softened it is served once more, and loaded anew.
  REQUIRE(at.stored("aged:8", "last 8"));
  at.put_all(kRows, "softened ");
  CHECK(at.client.call("CACHE", "INVALIDATE", "KEY", "aged:8", "SOFT").type ==
        Value::Type::integer);
  CHECK(at.stored("aged:8", "softened 8"));
}

TEST_CASE("with a lease two proxies of a Cluster load a key once") {
  constexpr int kRows = 30;
  const auto leased = [](std::string conf) {
    const std::string pattern = "key = \"doc:{id:int}\"\n";
    return conf.insert(conf.find(pattern), "lease = true\n");
  };
  ClusterWorld world;
  Database database(world.server(0).directory() / "test.db");
  for (int id = 1; id <= kRows; id++) {
    database.put(id, "doc " + std::to_string(id));
  }
  const std::string conf =
      leased(sources_conf(database.path().string(), "timeout_ms = 60000\nqueue = 100000\n"));
  Proxied one(world, {"coherence.max_staleness_ms=60000"}, conf);
  Proxied two(world, {"coherence.max_staleness_ms=60000"}, conf);
  Client clients[] = {one.client(), two.client()};
  for (Client& client : clients) {
    for (int id = 1; id <= kRows; id++) {
      client.send("GET", name(id));
    }
  }
  for (Client& client : clients) {
    for (int id = 1; id <= kRows; id++) {
      CHECK(client.read().text == "doc " + std::to_string(id));
    }
  }
  const auto sum = [&](const std::string& what) {
    return Loading::counted(one.proxy.port(), what) + Loading::counted(two.proxy.port(), what);
  };
  // Where the link to a lease's node is not there yet, a key is loaded without one.
  CHECK(sum("loads") <= kRows + sum("load_not_stored") + kRows / 10);
}

TEST_CASE("while slots move nobody sees what was there before an invalidation was answered") {
  constexpr int kKeys = 3;
  constexpr int kMoves = 9;
  Loading at;
  const std::uint16_t port = at.proxied.proxy.port();
  std::vector<int> ids;
  for (int id = 1; ids.size() < kKeys; id++) {
    if (at.world.owner_of(name(id)) == ids.size()) {
      ids.push_back(id);
      at.database.put(id, "0");
    }
  }
  std::atomic<int> floors[kKeys] = {};
  std::atomic<bool> stop{false};
  std::atomic<int> older{0};
  std::atomic<std::int64_t> read{0};
  std::atomic<std::int64_t> invalidated{0};
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    Client client(port, std::chrono::seconds(60));
    for (int version = 1; !stop; version++) {
      for (std::size_t i = 0; i < kKeys; i++) {
        at.database.put(ids[i], std::to_string(version));
        // An error says that it may not have happened.
        const Value done = version % 2 == 0
                               ? client.call("DEL", name(ids[i]))
                               : client.call("CACHE", "INVALIDATE", "KEY", name(ids[i]));
        if (done.type == Value::Type::integer) {
          floors[i] = version;
          invalidated++;
        }
      }
    }
  });
  for (int reader = 0; reader < 3; reader++) {
    threads.emplace_back([&, reader] {
      Client client(port, std::chrono::seconds(60));
      for (std::size_t i = static_cast<std::size_t>(reader); !stop; i++) {
        const std::string key = name(ids[i % kKeys]);
        const int floor = floors[i % kKeys];
        if (i % 4 == 0) {  // a row that is there has a length, wherever its slot goes meanwhile
          const Value length = client.call("STRLEN", key);
          older += length.type == Value::Type::integer && length.integer == 0 ? 1 : 0;
        }
        Value value = i % 5 == 0 ? client.call("MGET", key, name(ids[(i + 1) % kKeys]))
                                 : client.call("GET", key);
        if (!value.items.empty()) {
          value = Value(value.items[0]);
        }
        if (value.type == Value::Type::bulk) {
          older += std::stoi(value.text) < floor ? 1 : 0;
          read++;
        } else {
          older += value.is_nil() ? 1 : 0;
        }
      }
    });
  }
  for (std::size_t move = 0; move < kMoves; move++) {
    const std::uint16_t slot = at.world.slot(name(ids[move % kKeys]));
    const std::int64_t before = invalidated;
    at.world.begin_move(slot, (at.world.owner(slot) + 1) % 3);
    CHECK(eventually([&] { return invalidated > before + 20; }));
    at.world.end_move(slot, (at.world.owner(slot) + 1) % 3);
    CHECK(eventually([&] { return invalidated > before + 40; }));
  }
  stop = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(older == 0);
  CHECK(read > 100);
  CHECK(at.counted("loads") > 20);
  CHECK(at.counted("load_stored") > 0);
  for (std::size_t i = 0; i < kKeys; i++) {
    at.database.put(ids[i], "-1");
    CHECK(eventually([&] {
      return at.client.call("CACHE", "INVALIDATE", "KEY", name(ids[i])).type ==
             Value::Type::integer;
    }));
    CHECK(at.stored(name(ids[i]), "-1"));
  }
}

}  // namespace tiercache::testing
