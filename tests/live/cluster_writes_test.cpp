// Writes to a source over a Redis Cluster: the source first, then each key where its slot is, also
// while slots move.
#include "cluster_proxied.hpp"
#include "cluster_world.hpp"
#include "sources_world.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <sqlite3.h>

namespace tiercache::testing {

namespace {

std::string name(int id) {
  return "doc:" + std::to_string(id);
}

struct Writing {
  ClusterWorld world;
  Database database{world.server(0).directory() / "test.db"};
  std::vector<std::string> sets;
  const std::string text;
  std::unique_ptr<Proxied> proxied;
  std::unique_ptr<Client> client;

  explicit Writing(const std::string& strategy = "write-through",
                   std::vector<std::string> more = {})
      : sets(std::move(more)), text(conf(strategy)) {
    sets.insert(sets.end(), {"threads=2", "coherence.max_staleness_ms=60000"});
    start();
  }
  std::string conf(const std::string& strategy) const {
    const std::string journal = (database.path().parent_path() / "journal").string();
    return (strategy == "write-back"
                ? "[journal]\ndir = \"" + journal + "\"\nretry_min_ms = 10\nretry_max_ms = 50\n"
                : "") +
           "[[source]]\nname = \"db\"\npath = \"" + database.path().string() +
           "\"\ntimeout_ms = 60000\n[[namespace]]\nname = \"docs\"\nmatch = [\"doc:*\"]\n"
           "tiers = \"l1+l2+l3\"\nsource = \"db\"\nkey = \"doc:{id:int}\"\n"
           "query = \"select doc from t where id = :id\"\nl2_ttl_ms = 600000\n"
           "negative_ttl_ms = 500\nstrategy = \"" +
           strategy +
           "\"\nwrite = \"insert into t values (:id, :value) on conflict (id) do update set doc = "
           ":value\"\nremove = \"delete from t where id = :id\"\n";
  }
  void start() {
    client.reset();
    proxied.reset();
    proxied = std::make_unique<Proxied>(world, sets, text);
    client = std::make_unique<Client>(proxied->proxy.port(), std::chrono::seconds(60));
  }
  // "nil" where there is none; the first column of the first row.
  std::string row(int id) const {
    sqlite3* reader = nullptr;
    REQUIRE(sqlite3_open(database.path().c_str(), &reader) == SQLITE_OK);
    sqlite3_busy_timeout(reader, 60'000);
    std::string found = "nil";
    const std::string query = "select doc from t where id = " + std::to_string(id);
    CHECK(sqlite3_exec(
              reader, query.c_str(),
              [](void* out, int, char** values, char**) {
                *static_cast<std::string*>(out) = values[0];
                return 0;
              },
              &found, nullptr) == SQLITE_OK);
    sqlite3_close(reader);
    return found;
  }
  static std::string get(Client& by, const std::string& key) {
    const Value value = by.call("GET", key);
    return value.is_nil() ? "nil" : value.text;
  }
  // On its own node.
  std::string copy(int id) {
    Client direct = world.direct(name(id));
    return get(direct, name(id));
  }
  std::int64_t count(const std::string& line, const std::string& what) {
    Client other(proxied->proxy.port(), std::chrono::seconds(60));
    return counted(other, line, what);
  }
  // It waits in the source, which the test's database holds.
  bool waits_there() {
    return eventually([&] { return count("source_db", "writes_unanswered") == 1; });
  }
  int on(std::size_t master, int from = 1) {
    while (world.owner_of(name(from)) != master) {
      from++;
    }
    return from;
  }
  // Two of one slot.
  std::array<int, 2> twins() {
    std::map<std::uint16_t, int> known;
    for (int id = 1;; id++) {
      const auto [at, fresh] = known.emplace(world.slot(name(id)), id);
      if (!fresh) {
        return {at->second, id};
      }
    }
  }
};

}  // namespace

TEST_CASE("over a Cluster a write is in the source and on its key's node when it is answered") {
  constexpr int kRows = 24;
  Writing at;
  std::set<std::size_t> owners;
  for (int id = 1; id <= kRows; id++) {
    CHECK(at.client->call("SET", name(id), "one " + std::to_string(id)).text == "OK");
    CHECK(at.row(id) == "one " + std::to_string(id));
    CHECK(at.copy(id) == "one " + std::to_string(id));
    owners.insert(at.world.owner_of(name(id)));
  }
  CHECK(owners.size() == 3);
  CHECK(at.world.direct(name(1)).call("PTTL", name(1)).integer > 0);
  std::vector<std::string> set{"MSET"};
  std::vector<std::string> remove{"DEL"};
  for (int id = 1; id <= kRows; id++) {
    REQUIRE(hits(*at.proxied, *at.client, name(id)));
    set.insert(set.end(), {name(id), "two " + std::to_string(id)});
    remove.push_back(name(id));
  }
  set.insert(set.end(), {name(1), "at last"});
  CHECK(at.client->call(set).text == "OK");
  for (int id = 1; id <= kRows; id++) {
    const std::string value = id == 1 ? "at last" : "two " + std::to_string(id);
    CHECK(Writing::get(*at.client, name(id)) == value);
    CHECK(at.row(id) == value);
    CHECK(at.copy(id) == value);
    CHECK(at.world.direct(name(id)).call("PTTL", name(id)).integer > 0);
  }
  remove.insert(remove.end(), {name(1), name(kRows + 1)});
  CHECK(at.client->call(remove).integer == kRows);
  for (int id = 1; id <= kRows; id++) {
    CHECK(Writing::get(*at.client, name(id)) == "nil");
    CHECK(at.row(id) == "nil");
    CHECK(at.copy(id) == "nil");
  }
  CHECK(at.client->call("DEL", name(1), "other").text.find("together with others") !=
        std::string::npos);
  CHECK(at.client->call("MULTI").text == "OK");
  CHECK(at.client->call("SET", name(1), "x").text.find("in transactions") != std::string::npos);
  CHECK(at.client->call("EXEC").text.starts_with("EXECABORT"));
  CHECK(at.row(1) == "nil");
}

TEST_CASE("over a Cluster a pipeline of writes goes together, and its answers are in order") {
  constexpr int kRows = 200;
  Writing at;
  std::string requests;
  const auto add = [&](std::initializer_list<std::string> words) {
    requests += Client::encode(std::vector<std::string_view>(words.begin(), words.end()));
  };
  for (int id = 0; id < kRows; id++) {
    add({"SET", name(id), "x"});
  }
  add({"GET", name(kRows - 1)});
  add({"DEL", name(1), name(2), name(3)});
  at.client->send_raw(requests);
  for (int id = 0; id < kRows; id++) {
    CHECK(at.client->read().text == "OK");
  }
  CHECK(at.client->read().text == "x");
  CHECK(at.client->read().integer == 3);
  CHECK(at.count("source_db", "write_transactions") < kRows / 2);
}

TEST_CASE("while a write is under way the L1 of no node keeps its keys") {
  Writing at;
  const std::array<int, 3> ids{at.on(0), at.on(1), at.on(2)};
  Client reader(at.proxied->proxy.port(), std::chrono::seconds(60));
  std::vector<std::string> set{"MSET"};
  for (const int id : ids) {
    CHECK(at.client->call("SET", name(id), "old").text == "OK");
    REQUIRE(hits(*at.proxied, reader, name(id)));
    set.insert(set.end(), {name(id), "new"});
  }
  at.database.run("begin immediate");
  at.client->send(set);
  REQUIRE(at.waits_there());
  for (int i = 0; i < 20; i++) {
    for (const int id : ids) {
      CHECK(Writing::get(reader, name(id)) == "old");
      CHECK(reader.call("CACHE", "KEY", name(id)).find("state")->text != "cached");
    }
  }
  at.database.run("commit");
  CHECK(at.client->read().text == "OK");
  for (const int id : ids) {
    CHECK(Writing::get(reader, name(id)) == "new");
    CHECK(hits(*at.proxied, reader, name(id)));
  }
}

TEST_CASE("over a Cluster the key's node is asked what a user may write") {
  Writing at;
  const auto id_of = [](Client client) {
    return client.call("CLUSTER", "MYID").text;
  };
  // Where the proxy asks what has no key.
  const std::string first = at.client->call("CLUSTER", "MYID").text;
  std::size_t home = 0;
  while (id_of(Client(at.world.server(home).port())) != first) {
    home++;
  }
  const int mine = at.on((home + 1) % 3);
  const int others = at.on((home + 2) % 3);
  for (std::size_t i = 0; i < 3; i++) {
    REQUIRE(Client(at.world.server(i).port())
                .call("ACL", "SETUSER", "ann", "on", ">secret", "+@all", "~" + name(mine))
                .text == "OK");
  }
  REQUIRE(at.client->call("AUTH", "ann", "secret").text == "OK");
  CHECK(at.client->call("SET", name(mine), "x").text == "OK");
  CHECK(at.client->call("SET", name(others), "x").text.starts_with("NOPERM"));
  CHECK(at.client->call("MSET", name(mine), "y", name(others), "y").text.starts_with("NOPERM"));
  CHECK(at.row(mine) == "x");
  CHECK(at.row(others) == "nil");
  at.world.server(home).kill9();
  CHECK(eventually([&] { return at.client->call("SET", name(mine), "alone").text == "OK"; }));
  CHECK(at.row(mine) == "alone");
}

TEST_CASE("without cluster.split keys of several slots are refused before the source is asked") {
  Writing at("write-through", {"cluster.split=false"});
  const std::string error = "CROSSSLOT Keys in request don't hash to the same slot";
  const int one = at.on(0);
  const int two = at.on(1);
  CHECK(at.client->call("MSET", name(one), "x", name(two), "y").text == error);
  CHECK(at.client->call("DEL", name(one), name(two)).text == error);
  // Behind another one too.
  at.client->send("SET", name(one), "first");
  at.client->send("MSET", name(one), "x", name(two), "y");
  CHECK(at.client->read().text == "OK");
  CHECK(at.client->read().text == error);
  CHECK(at.row(one) == "first");
  CHECK(at.row(two) == "nil");
  const auto twins = at.twins();
  CHECK(at.client->call("MSET", name(twins[0]), "x", name(twins[1]), "y").text == "OK");
  CHECK(at.copy(twins[1]) == "y");
}

// A slot that is on its way takes no MSET, nor has one of its servers all keys.
TEST_CASE("a write follows its key, also where keys that go together are on two nodes") {
  Writing at;
  const auto twins = at.twins();
  const int other = at.on(2);
  const std::uint16_t slot = at.world.slot(name(twins[0]));
  const std::size_t from = at.world.owner(slot);
  const std::size_t to = (from + 1) % 3;
  const auto set = [&](const std::string& value) {
    return at.client->call("MSET", name(twins[0]), value, name(twins[1]), value, name(other), value)
        .text;
  };
  const auto all_have = [&](const std::string& value) {
    for (const int id : {twins[0], twins[1], other}) {
      CAPTURE(id);
      CHECK(Writing::get(*at.client, name(id)) == value);
      CHECK(at.row(id) == value);
    }
  };
  CHECK(at.client->call("SET", name(twins[0]), "here").text == "OK");
  REQUIRE(hits(*at.proxied, *at.client, name(twins[0])));
  at.world.begin_move(slot, to);
  CHECK(set("torn") == "OK");
  all_have("torn");
  Client there(at.world.server(to).port());
  CHECK(there.call("ASKING").text == "OK");
  CHECK(Writing::get(there, name(twins[1])) == "torn");
  CHECK(there.call("ASKING").text == "OK");
  CHECK(there.call("PTTL", name(twins[1])).integer > 0);
  CHECK(at.client->call("DEL", name(twins[0]), name(twins[1])).integer == 2);
  CHECK(Writing::get(*at.client, name(twins[0])) == "nil");
  CHECK(Writing::get(*at.client, name(twins[1])) == "nil");
  CHECK(set("anew") == "OK");
  all_have("anew");
  at.world.end_move(slot, to);
  all_have("anew");
  CHECK(set("there") == "OK");
  all_have("there");
  CHECK(at.copy(twins[0]) == "there");
  CHECK(at.copy(twins[1]) == "there");
  CHECK(at.count("namespace_docs", "write_halved") == 0);
}

TEST_CASE("a node is chosen when Redis is to have the write, however long the source took") {
  Writing at;
  const int id = at.on(0);
  const std::uint16_t slot = at.world.slot(name(id));
  CHECK(at.client->call("SET", name(id), "old").text == "OK");
  at.database.run("begin immediate");
  at.client->send("SET", name(id), "new");
  REQUIRE(at.waits_there());
  at.world.move(slot, 1);
  at.database.run("commit");
  CHECK(at.client->read().text == "OK");
  CHECK(at.copy(id) == "new");
  CHECK(Writing::get(*at.client, name(id)) == "new");
  // Nobody has the slot for a while: the write waits for who gets it.
  at.database.run("begin immediate");
  at.client->send("SET", name(id), "newer");
  REQUIRE(at.waits_there());
  at.world.drop(slot);
  at.database.run("commit");
  CHECK(eventually([&] { return at.row(id) == "newer"; }));
  at.world.serve(slot, 1);
  CHECK(at.client->read().text == "OK");
  CHECK(at.copy(id) == "newer");
  CHECK(at.count("namespace_docs", "write_halved") == 0);
}

TEST_CASE("where no node takes what the source has, the client is told and the copy goes") {
  Writing at;
  const int id = at.on(2);
  const int other = at.on(1);
  const std::uint16_t slot = at.world.slot(name(id));
  const auto half = [&](const std::string& value, const auto& meanwhile) {
    at.database.run("begin immediate");
    at.client->send("MSET", name(id), value, name(other), value);
    REQUIRE(at.waits_there());
    meanwhile();
    at.database.run("commit");
    const Value reply = at.client->read();
    CHECK(reply.is_error());
    CHECK(at.row(id) == value);
    CHECK(at.row(other) == value);
    return reply.text;
  };
  const std::string told = "has taken the write, but Redis has not: ";
  CHECK(at.client->call("SET", name(id), "old").text == "OK");
  CHECK(half("one", [&] { at.world.drop(slot); }).find(told + "CLUSTERDOWN") != std::string::npos);
  at.world.serve(slot, 2);
  CHECK(eventually([&] { return at.copy(id) == "nil"; }));
  CHECK(eventually([&] { return Writing::get(*at.client, name(id)) == "one"; }));
  // The master dies.
  CHECK(half("two", [&] { at.world.server(2).kill9(); }).find(told) != std::string::npos);
  const Value away = at.client->call("SET", name(id), "three");
  CHECK(away.is_error());
  CHECK(at.client->call("SET", name(other), "three").text == "OK");
  CHECK(at.copy(other) == "three");
  at.world.server(2).start();
  // A copy of before may be removed once more right behind the first one that succeeds.
  CHECK(eventually([&] {
    return at.client->call("SET", name(id), "four").text == "OK" && at.copy(id) == "four";
  }));
  CHECK(at.row(id) == "four");
}

TEST_CASE("what an earlier run has journalled is applied, and its nodes let go of older copies") {
  constexpr int kRows = 12;
  Writing at("write-back");
  std::vector<std::string> set{"MSET"};
  for (int id = 1; id <= kRows; id++) {
    set.insert(set.end(), {name(id), "old"});
  }
  CHECK(at.client->call(set).text == "OK");
  CHECK(eventually([&] { return at.count("source_db", "pending") == 0; }));
  CHECK(at.row(kRows) == "old");
  at.database.run("begin immediate");
  for (int id = 1; id <= kRows; id++) {
    CHECK(at.client->call("SET", name(id), "new " + std::to_string(id)).text == "OK");
    CHECK(at.copy(id) == "new " + std::to_string(id));
  }
  CHECK(at.client->call("DEL", name(2), name(3), name(4)).integer == 3);
  at.proxied->proxy.signal(SIGKILL);
  CHECK(at.proxied->proxy.wait_exit(std::chrono::seconds(10)));
  for (int id = 1; id <= kRows; id++) {
    at.world.direct(name(id)).call("SET", name(id), "older");
  }
  at.world.move(at.world.slot(name(1)), (at.world.owner_of(name(1)) + 1) % 3);
  at.database.run("commit");
  at.start();
  for (int id = 1; id <= kRows; id++) {
    CAPTURE(id);
    const bool gone = id >= 2 && id <= 4;
    const std::string value = gone ? "nil" : "new " + std::to_string(id);
    CHECK(Writing::get(*at.client, name(id)) == value);
    CHECK(at.copy(id) != "older");
    CHECK(eventually([&] { return at.row(id) == value; }));
  }
}

TEST_CASE("while slots move nobody sees what was there before a write was answered") {
  constexpr int kKeys = 4;
  constexpr int kMoves = 6;
  std::string strategy = "write-through";
  SUBCASE("through") {
  }
  SUBCASE("back") {
    strategy = "write-back";
  }
  Writing at(strategy);
  const std::uint16_t port = at.proxied->proxy.port();
  const auto twins = at.twins();
  std::vector<int> ids{twins[0], twins[1]};
  for (std::size_t master = 0; master < 3; master++) {
    if (master != at.world.owner_of(name(twins[0]))) {
      ids.push_back(at.on(master));
    }
  }
  REQUIRE(ids.size() == kKeys);
  std::atomic<int> floors[kKeys] = {};
  std::atomic<bool> stop{false};
  std::atomic<int> older{0};
  std::atomic<std::int64_t> read{0};
  std::atomic<std::int64_t> written{0};
  std::string failure;  // the writer's
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    Client client(port, std::chrono::seconds(60));
    const auto take = [&](const Value& reply) {
      failure = reply.is_error() ? reply.text : failure;
      written++;
    };
    for (int version = 1; !stop; version++) {
      const std::string value = std::to_string(version);
      if (version % 3 == 0) {
        std::vector<std::string> set{"MSET"};
        for (const int id : ids) {
          set.insert(set.end(), {name(id), value});
        }
        take(client.call(set));
        for (std::atomic<int>& floor : floors) {
          floor = version;
        }
        continue;
      }
      for (std::size_t i = 0; i < kKeys; i++) {
        take(version % 7 == 0 ? client.call("DEL", name(ids[i]))
                              : client.call("SET", name(ids[i]), value));
        floors[i] = version;
      }
    }
  });
  for (std::size_t reader = 0; reader < 3; reader++) {
    threads.emplace_back([&, reader] {
      Client client(port, std::chrono::seconds(60));
      for (std::size_t i = reader; !stop; i++) {
        const int floor = floors[i % kKeys];
        const std::string key = name(ids[i % kKeys]);
        Value value = i % 5 == 0 ? client.call("MGET", key, name(ids[(i + 2) % kKeys]))
                                 : client.call("GET", key);
        if (!value.items.empty()) {
          value = Value(value.items[0]);
        }
        if (value.type == Value::Type::bulk) {
          older += std::stoi(value.text) < floor ? 1 : 0;
          read++;
        }
      }
    });
  }
  for (std::size_t move = 0; move < kMoves; move++) {
    const std::uint16_t slot = at.world.slot(name(ids[1 + move % 3]));
    const std::size_t to = (at.world.owner(slot) + 1) % 3;
    const std::int64_t before = written;
    at.world.begin_move(slot, to);
    CHECK(eventually([&] { return written > before + 30; }));
    at.world.end_move(slot, to);
    CHECK(eventually([&] { return written > before + 60; }));
  }
  stop = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(older == 0);
  CHECK(read > 100);
  CHECK(failure == "");
  CHECK(at.count("namespace_docs", "write_halved") == 0);
  if (strategy == "write-back") {
    CHECK(eventually([&] { return at.count("source_db", "pending") == 0; }));
  }
  for (const int id : ids) {
    const std::string row = at.row(id);
    CHECK(Writing::get(*at.client, name(id)) == row);
    CHECK(at.copy(id) == row);
  }
}

}  // namespace tiercache::testing
