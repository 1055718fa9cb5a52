// Writes that are in a source before they are in Redis, through the real program.
#include "write_through_world.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

TEST_CASE("a write is in the source and in Redis when it is answered") {
  World world;
  CHECK(world.client.call("SET", "doc:1", "one").text == "OK");
  CHECK(world.row(1) == "one");
  CHECK(world.get(world.direct, "doc:1") == "one");
  CHECK(world.get(world.client, "doc:1") == "one");
  const std::int64_t ttl = world.direct.call("PTTL", "doc:1").integer;
  CHECK(ttl > 0);
  CHECK(ttl <= 60'000);
  CHECK(world.client.call("SET", "doc:1", "two", "PX", "5000").text == "OK");
  CHECK(world.direct.call("PTTL", "doc:1").integer <= 5000);
  CHECK(world.client.call("SETEX", "doc:2", "5", "x").text == "OK");
  CHECK(world.direct.call("PTTL", "doc:2").integer <= 5000);
  CHECK(world.client.call("MSET", "doc:3", "a", "doc:4", "b", "doc:3", "c").text == "OK");
  CHECK(world.row(3) == "c");
  CHECK(world.row(4) == "b");
  CHECK(world.get(world.direct, "doc:3") == "c");
  CHECK(world.direct.call("PTTL", "doc:4").integer > 0);
  CHECK(world.client.call("SET", "kept:5", "x").text == "OK");
  CHECK(world.direct.call("PTTL", "kept:5").integer == -1);
  // Where Redis has not the key, whoever asks gets what was written.
  world.direct.call("DEL", "doc:1");
  CHECK(eventually([&] { return world.get(world.client, "doc:1") == "two"; }));
  CHECK(world.row(1) == "two");

  CHECK(world.client.call("DEL", "doc:3").integer == 1);
  CHECK(world.row(3) == "NULL");
  CHECK(world.get(world.direct, "doc:3") == "nil");
  CHECK(world.get(world.client, "doc:3") == "nil");
  world.direct.call("DEL", "doc:4");  // the source has it still
  CHECK(world.client.call("UNLINK", "doc:4", "doc:4", "doc:99").integer == 1);
  CHECK(world.row(4) == "NULL");
  CHECK(world.get(world.client, "doc:4") == "nil");
  CHECK(world.client.call("SET", "doc:4", std::string("\0\xff", 2)).text == "OK");
  CHECK(world.get(world.client, "doc:4") == std::string("\0\xff", 2));
  CHECK(world.counted("namespace_doc").find(",written=7,") != std::string::npos);
  CHECK(world.client.call("INFO", "tiers").text.find("l3_writes:8") != std::string::npos);
  CHECK(world.client.call("CACHE", "EXPLAIN", "doc:7").find("strategy")->text == "write-through");
}

TEST_CASE("what the source does not take changes nothing, and the client is told") {
  World world;
  const auto error = [&](const std::vector<std::string>& words) {
    const Value value = world.client.call(words);
    CHECK(value.is_error());
    return value.text;
  };
  CHECK(world.client.call("SET", "picky:1", "good").text == "OK");
  CHECK(error({"SET", "picky:1", "bad"}).find("source 'db' of namespace 'picky': CHECK") !=
        std::string::npos);
  CHECK(error({"MSET", "picky:2", "good", "picky:3", "bad"}).find("CHECK") != std::string::npos);
  CHECK(world.get(world.direct, "picky:1") == "good");
  CHECK(world.get(world.direct, "picky:2") == "nil");
  CHECK(error({"SET", "broken:1", "x"}).find("no such table: later") != std::string::npos);
  CHECK(world.get(world.direct, "broken:1") == "nil");
  CHECK(error({"SET", "doc:x", "x"}).find("does not fit namespace.key") != std::string::npos);
  CHECK(error({"DEL", "kept:1"}).find("there is no namespace.remove") != std::string::npos);
  CHECK(world.counted("namespace_picky").find(",write_refused=2,") != std::string::npos);
  CHECK(world.counted("namespace_broken").find(",write_failed=1,") != std::string::npos);
}

TEST_CASE("other writes of such keys are refused with an error that names the namespace") {
  World world;
  world.client.call("SET", "doc:1", "1");
  const auto refused = [&](const std::vector<std::string>& words, const std::string& why) {
    CAPTURE(words[0]);
    const Value value = world.client.call(words);
    CHECK(value.is_error());
    CHECK(value.text.find(why) != std::string::npos);
    CHECK(value.text.find("namespace 'doc'") != std::string::npos);
  };
  const std::string_view none = "is not for keys of namespace 'doc'";
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"INCR", "doc:1"},
           {"APPEND", "doc:1", "x"},
           {"GETSET", "doc:1", "x"},
           {"GETDEL", "doc:1"},
           {"SETNX", "doc:1", "x"},
           {"HSET", "doc:1", "a", "b"},
           {"RENAME", "other", "doc:1"},
           {"COPY", "other", "doc:1"},
           {"EVAL", "return redis.call('set', KEYS[1], 'x')", "1", "doc:1"}}) {
    refused(words, std::string(none));
  }
  refused({"DEL", "doc:1", "other"}, "together with others");
  refused({"MSET", "doc:1", "x", "kept:1", "x"}, "together with others");
  refused({"SET", "doc:1", "x", "NX"}, "SET with NX, XX, GET or KEEPTTL is not for keys");
  CHECK(world.client.call("SET", "doc:1", "x", "EX", "0").text ==
        "ERR invalid expire time in 'set' command");
  CHECK(world.row(1) == "1");
  CHECK(world.get(world.client, "doc:1") == "1");
  // Reads, and writes of other keys, are as ever.
  CHECK(world.client.call("STRLEN", "doc:1").integer == 1);
  CHECK(world.client.call("EVAL_RO", "return redis.call('get', KEYS[1])", "1", "doc:1").text ==
        "1");
  CHECK(world.client.call("INCR", "other").integer == 1);
  // In a transaction it is refused when it is queued, so none of it runs.
  world.client.call("MULTI");
  CHECK(world.client.call("SET", "other", "7").text == "QUEUED");
  refused({"SET", "doc:1", "x"}, "are not written in transactions");
  CHECK(world.client.call("EXEC").text.find("EXECABORT") != std::string::npos);
  CHECK(world.get(world.client, "other") == "1");
  // Beside one, on a connection of its own, it is written.
  world.client.call("WATCH", "other");
  CHECK(world.client.call("SET", "doc:1", "watched").text == "OK");
  CHECK(world.row(1) == "watched");
  world.client.call("UNWATCH");
  world.client.send("CLIENT", "REPLY", "SKIP");
  world.client.send("SET", "doc:1", "unanswered");
  CHECK(world.client.call("GET", "doc:1").text == "unanswered");
  CHECK(world.row(1) == "unanswered");
}

TEST_CASE("how long Redis keeps its copy is Redis's alone") {
  World world;
  CHECK(world.client.call("SET", "doc:1", "x").text == "OK");
  CHECK(world.client.call("EXPIRE", "doc:1", "7").integer == 1);
  CHECK(world.direct.call("TTL", "doc:1").integer <= 7);
  CHECK(world.client.call("PERSIST", "doc:1").integer == 1);
  CHECK(world.direct.call("TTL", "doc:1").integer == -1);
  CHECK(world.client.call("PEXPIRE", "doc:1", "0").integer == 1);
  CHECK(world.get(world.direct, "doc:1") == "nil");
  CHECK(world.row(1) == "x");
  // Read from the source, and put into Redis again.
  CHECK(eventually([&] {
    return world.get(world.client, "doc:1") == "x" && world.get(world.direct, "doc:1") == "x";
  }));
  world.client.call("MULTI");
  CHECK(world.client.call("EXPIREAT", "doc:1", "1").text == "QUEUED");
  CHECK(world.client.call("EXEC").items.at(0).integer == 1);
  CHECK(world.row(1) == "x");
}

TEST_CASE("who may not do everything writes to the source what Redis would let them write") {
  World world;
  world.direct.call("ACL", "SETUSER", "some", "on", ">pw", "~doc:1*", "+@read", "+set", "+mset",
                    "+watch");
  Client some(world.proxy.port(), std::chrono::seconds(60));
  CHECK(some.call("AUTH", "some", "pw").text == "OK");
  const std::string large(100'000, 'v');
  CHECK(some.call("SET", "doc:1", large).text == "OK");
  CHECK(world.row(1) == large);
  CHECK(some.call("SET", "doc:2", "x").text ==
        "NOPERM this user has no permissions to access one of the keys used as arguments");
  CHECK(some.call("MSET", "doc:1", "x", "doc:2", "x").text ==
        "NOPERM this user has no permissions to access one of the keys used as arguments");
  CHECK(some.call("DEL", "doc:1").text ==
        "NOPERM this user has no permissions to run the 'del' command");
  CHECK(world.row(1) == large);
  CHECK(world.row(2) == "NULL");
  // On a connection of its own.
  CHECK(some.call("WATCH", "doc:1").text == "OK");
  CHECK(some.call("SET", "doc:1", "watched").text == "OK");
  CHECK(some.call("SET", "doc:2", "x").text.starts_with("NOPERM this user"));
  CHECK(world.row(1) == "watched");
  // A pipeline: what is refused stands between what is not.
  Client other(world.proxy.port(), std::chrono::seconds(60));
  CHECK(other.call("AUTH", "some", "pw").text == "OK");
  for (int i = 0; i < 20; i++) {
    other.send("SET", "doc:" + std::to_string(i), std::to_string(i));
  }
  for (int i = 0; i < 20; i++) {
    const bool may = i == 1 || i >= 10;
    CHECK((other.read().text == "OK") == may);
    CHECK(world.row(i) == (may ? std::to_string(i) : "NULL"));
  }
  // What Redis allows no longer is refused from then on.
  world.direct.call("ACL", "SETUSER", "some", "-set");
  CHECK(other.call("SET", "doc:1", "y").text ==
        "NOPERM this user has no permissions to run the 'set' command");
  CHECK(world.row(1) == "1");
}

TEST_CASE("where the proxy may not ask what users may do only those write who may all") {
  World world;
  world.direct.call("ACL", "SETUSER", "some", "on", ">pw", "~*", "+@all", "-del");
  world.direct.call("ACL", "SETUSER", "default", "-acl|dryrun");
  Client some(world.proxy.port(), std::chrono::seconds(60));
  CHECK(some.call("AUTH", "some", "pw").text == "OK");
  CHECK(
      some.call("SET", "doc:1", "x").text.starts_with("NOPERM tiercache: keys of namespace 'doc'"));
  CHECK(world.row(1) == "NULL");
}

TEST_CASE("a pipeline of writes shares transactions, and is answered in its order") {
  World world;
  world.database.run("begin immediate");
  for (int i = 0; i < 100; i++) {
    world.client.send("SET", "doc:" + std::to_string(i), std::to_string(i));
  }
  world.database.run("commit");
  for (int i = 0; i < 100; i++) {
    CHECK(world.client.read().text == "OK");
  }
  const std::string counts = world.counted("source_db");
  const auto at = counts.find(",write_transactions=");
  REQUIRE(at != std::string::npos);
  const int transactions = std::stoi(counts.substr(at + 20));
  MESSAGE("100 writes by " << transactions << " transactions");
  CHECK(transactions < 30);
  world.client.send("SET", "picky:1", "bad");
  world.client.send("SET", "doc:1", "again");
  world.client.send("DEL", "doc:1", "doc:2");
  world.client.send("SET", "doc:3", "x", "EX", "0");
  world.client.send("GET", "doc:1");
  world.client.send("GET", "doc:3");
  CHECK(world.client.read().text.find("CHECK constraint failed") != std::string::npos);
  CHECK(world.client.read().text == "OK");
  CHECK(world.client.read().integer == 2);
  CHECK(world.client.read().text == "ERR invalid expire time in 'set' command");
  CHECK(world.client.read().is_nil());
  CHECK(world.client.read().text == "3");
  CHECK(world.row(1) == "NULL");
  CHECK(world.row(99) == "99");
}

TEST_CASE("a pipeline that is longer than the source's queue goes on in parts") {
  World world;
  for (int i = 0; i < 3000; i++) {
    world.client.send("SET", "kept:" + std::to_string(i), std::to_string(i));
  }
  int good = 0;
  for (int i = 0; i < 3000; i++) {
    good += world.client.read().text == "OK" ? 1 : 0;
  }
  CHECK(good == 3000);
  CHECK(world.row(2999) == "2999");
}

TEST_CASE("what a client pipelines around a write is answered in its order") {
  World world;
  for (int i = 0; i < 100; i++) {
    world.client.send("SET", "doc:1", std::to_string(i));
    world.client.send("GET", "doc:1");
    world.client.send("SET", "other", std::to_string(i));
    world.client.send("MGET", "doc:1", "other");
  }
  for (int i = 0; i < 100; i++) {
    CHECK(world.client.read().text == "OK");
    CHECK(world.client.read().text == std::to_string(i));
    CHECK(world.client.read().text == "OK");
    const Value both = world.client.read();
    REQUIRE(both.items.size() == 2);
    CHECK(both.items[0].text == std::to_string(i));
    CHECK(both.items[1].text == std::to_string(i));
  }
}

// Many clients write the same few keys while others read them and Redis loses them: at the end
// source, Redis and the proxy agree, and no reader has seen an older value than was acknowledged.
TEST_CASE("writers that race leave source and Redis equal, and readers see no older value") {
  constexpr int kKeys = 4;
  constexpr int kWriters = 8;
  constexpr int kReaders = 3;
  constexpr int kRounds = 151;
  World world;
  std::atomic<bool> over{false};
  std::atomic<int> older{0};
  std::atomic<int> seen{0};
  // Of each key the last number that was acknowledged, by its only numbering writer.
  std::array<std::atomic<int>, kKeys> acknowledged{};
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (int w = 0; w < kWriters; w++) {
    threads.emplace_back([&, w] {
      Client client(world.proxy.port(), std::chrono::seconds(60));
      std::mt19937 random(static_cast<unsigned>(w));
      for (int i = 1; i <= kRounds; i++) {
        if (w < kKeys) {
          // The keys 0 to 3 have one writer each, whose numbers grow; every other one is a removal.
          const std::string name = "doc:" + std::to_string(w);
          failed += i % 2 == 0 ? client.call("DEL", name).is_error()
                               : client.call("SET", name, std::to_string(i)).text != "OK";
          acknowledged[static_cast<std::size_t>(w)] = i;
          continue;
        }
        // The keys 10 to 13 are everybody's.
        const std::string a = "doc:" + std::to_string(10 + random() % kKeys);
        const std::string b = "doc:" + std::to_string(10 + random() % kKeys);
        const std::string value = std::to_string(w) + "-" + std::to_string(i);
        const unsigned what = random() % 8;
        const Value reply = what == 0   ? client.call("DEL", a, b)
                            : what <= 2 ? client.call("MSET", a, value, b, value)
                                        : client.call("SET", a, value);
        failed += reply.is_error();
      }
    });
  }
  for (int r = 0; r < kReaders; r++) {
    threads.emplace_back([&, r] {
      Client client(world.proxy.port(), std::chrono::seconds(60));
      Client thief(world.redis.port());
      std::mt19937 random(static_cast<unsigned>(1000 + r));
      while (!over) {
        const std::size_t key = random() % kKeys;
        const std::string name = "doc:" + std::to_string(key);
        if (random() % 20 == 0) {
          thief.call("DEL", name);  // as if Redis had evicted it
        }
        const int floor = acknowledged[key];
        const Value value = client.call("GET", name);
        const int number = value.is_nil() ? 0 : std::stoi(value.text);
        older += !value.is_nil() && number < floor;
        seen++;
      }
    });
  }
  for (int w = 0; w < kWriters; w++) {
    threads[static_cast<std::size_t>(w)].join();
  }
  over = true;
  for (std::size_t i = kWriters; i < threads.size(); i++) {
    threads[i].join();
  }
  CHECK(failed.load() == 0);
  CHECK(older.load() == 0);
  CHECK(seen > 100);
  for (int id : {0, 1, 2, 3, 10, 11, 12, 13}) {
    const std::string name = "doc:" + std::to_string(id);
    const std::string row = world.row(id);
    const std::string copy = world.get(world.direct, name);
    CAPTURE(name);
    CHECK((copy == "nil" || copy == row));  // a reader may have removed it
    CHECK(world.get(world.client, name) == (row == "NULL" ? "nil" : row));
    if (id < kKeys) {
      CHECK(row == std::to_string(kRounds));
    }
  }
  MESSAGE("writes in " << world.counted("source_db"));
}

TEST_CASE("where Redis does not take what the source has, the client is told and the copy goes") {
  World world;
  CHECK(world.client.call("SET", "doc:1", "old").text == "OK");
  // Redis is full: it takes no SET, but it lets go of keys.
  world.direct.call("CONFIG", "SET", "maxmemory", "1");
  const Value half = world.client.call("SET", "doc:1", "new");
  CHECK(half.is_error());
  CHECK(half.text.find("has taken the write, but Redis has not: OOM") != std::string::npos);
  CHECK(world.row(1) == "new");
  CHECK(eventually([&] { return world.get(world.direct, "doc:1") == "nil"; }));
  world.direct.call("CONFIG", "SET", "maxmemory", "0");
  CHECK(eventually([&] { return world.get(world.client, "doc:1") == "new"; }));
  CHECK(world.counted("namespace_doc").find(",write_halved=1,") != std::string::npos);
}

TEST_CASE("while Redis is away nothing is written, and afterwards all is as it was") {
  World world;
  CHECK(world.client.call("SET", "doc:1", "old").text == "OK");
  world.redis.kill9();
  CHECK(eventually([&] { return world.client.call("GET", "other").is_error(); }));
  const Value away = world.client.call("SET", "doc:1", "new");
  CHECK(away.is_error());
  const std::string row = world.row(1);
  // A link that was being made when the write came is no promise.
  CHECK((row == "old" || away.text.find("has taken the write") != std::string::npos));
  world.redis.start();
  CHECK(eventually([&] { return world.get(world.client, "doc:1") == row; }));
  CHECK(eventually([&] { return world.client.call("SET", "doc:1", "newer").text == "OK"; }));
  CHECK(world.row(1) == "newer");
}

TEST_CASE("without a queue what cannot go at once fails at once, and all else goes") {
  World world;
  std::string text = conf(world.database.path().string());
  text.replace(text.find("timeout_ms"), 0, "queue = 0\n");
  const TiercacheProcess proxy(world.redis.port(), {"threads=2"}, text);
  Client client(proxy.port(), std::chrono::seconds(60));
  Client other(proxy.port(), std::chrono::seconds(60));
  for (int i = 0; i < 50; i++) {
    CHECK(client.call("SET", "doc:1", std::to_string(i)).text == "OK");
  }
  CHECK(world.row(1) == "49");
  world.database.put(2, "two");
  CHECK(world.get(client, "doc:2") == "two");
  world.database.run("begin immediate");
  client.send("SET", "doc:1", "last");
  const auto waits = [&] {
    return other.call("CACHE", "STATS").find("source_db")->text.find("writes_unanswered=1") !=
           std::string::npos;
  };
  CHECK(eventually(waits));
  CHECK(other.call("SET", "doc:3", "x").text.ends_with("too many writes are waiting"));
  world.database.run("commit");
  CHECK(client.read().text == "OK");
  CHECK(other.call("SET", "doc:3", "x").text == "OK");
}

TEST_CASE("a stop ends the writes that are under way, also if the client has gone") {
  for (const bool gone : {false, true}) {
    CAPTURE(gone);
    World world;
    CHECK(world.client.call("SET", "doc:1", "old").text == "OK");
    world.database.run("begin immediate");
    auto client = std::make_unique<Client>(world.proxy.port(), std::chrono::seconds(60));
    client->send("SET", "doc:1", "waits");
    CHECK(eventually([&] { return counted(world.client, "source_db", "writes_unanswered") == 1; }));
    if (gone) {
      client->close();
    }
    world.client.close();
    world.proxy.signal(SIGTERM);
    CHECK_FALSE(world.proxy.wait_exit(std::chrono::milliseconds(100)));
    world.database.run("commit");
    CHECK((gone || client->read().text == "OK"));
    CHECK(world.proxy.wait_exit(std::chrono::seconds(60)) == 0);
    CHECK(world.row(1) == "waits");
    CHECK(world.get(world.direct, "doc:1") == "waits");
  }
}

TEST_CASE("a stop waits until Redis has let go of what it did not take, and tells of the rest") {
  World world;
  CHECK(world.client.call("SET", "doc:1", "old").text == "OK");
  // Redis takes no write at all.
  world.direct.call("CONFIG", "SET", "min-replicas-to-write", "1");
  const Value half = world.client.call("SET", "doc:1", "new");
  CHECK(half.text.find("has taken the write, but Redis has not: NOREPLICAS") != std::string::npos);
  world.proxy.signal(SIGTERM);
  CHECK_FALSE(world.proxy.wait_exit(std::chrono::milliseconds(100)));
  CHECK(world.get(world.direct, "doc:1") == "old");
  world.direct.call("CONFIG", "SET", "min-replicas-to-write", "0");
  CHECK(world.proxy.wait_exit(std::chrono::seconds(60)) == 0);
  CHECK(world.get(world.direct, "doc:1") == "nil");
  CHECK(world.proxy.log().find("older copies") == std::string::npos);

  TiercacheProcess second(world.redis.port(), {"threads=2", "limits.drain_timeout_ms=100"},
                          conf(world.database.path().string()));
  Client client(second.port(), std::chrono::seconds(60));
  CHECK(client.call("SET", "doc:1", "old").text == "OK");
  world.direct.call("CONFIG", "SET", "min-replicas-to-write", "1");
  CHECK(client.call("SET", "doc:1", "new").is_error());
  second.signal(SIGTERM);
  CHECK(second.wait_exit(std::chrono::seconds(60)) == 0);
  CHECK(second.log().find("Redis may keep older copies of 1 keys") != std::string::npos);
}

}  // namespace tiercache::testing
