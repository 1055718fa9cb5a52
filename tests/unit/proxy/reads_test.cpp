// Reads of all types through L1: which request may be answered with which reply, and in what order.
#include "fake_upstream.hpp"

#include "tiercache/proxy/bypass.hpp"

#include <chrono>
#include <cstdint>
#include <string>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy::testing;

namespace {

void speak_resp3(Rig& rig, TestClient& client) {
  client.send("HELLO 3");
  FakeLink& link = rig.threads[0]->links.at({0, resp::Version::resp3});
  if (!link.pending.empty()) {
    link.reply("+PONG\r\n");
  }
  rig.run();
  client.read();
}

void own_ttl(config::Config& config) {
  config::Namespace& own = config.namespaces.emplace_back();
  own.name = "own";
  own.match = {"own:*"};
  own.ttl = std::chrono::seconds(100);
  own.ask_ttl = false;
}

}  // namespace

TEST_CASE("a read of any type is kept under its exact arguments") {
  Rig rig;
  TestClient client(rig);
  client.send("HGET h f");
  CHECK(rig.pending() == "PTTL h, HGET h f");
  rig.fill("$1\r\nV\r\n");
  CHECK(client.read() == "$1\r\nV\r\n");
  client.send("hget h f");
  CHECK(client.read() == "$1\r\nV\r\n");
  CHECK(rig.link().pending.empty());
  for (const char* other :
       {"HGET h g", "HGET h F", "HGET h \"\"", "HEXISTS h f", "HMGET h f", "HGET g f"}) {
    CAPTURE(other);
    client.send(other);
    CHECK(rig.link().pending.size() == 2);
    rig.fill(":0\r\n");
    client.read();
  }
}

TEST_CASE("an absent argument is not an empty one") {
  Rig rig;
  TestClient client(rig);
  client.send("BITCOUNT k");
  rig.fill(":9\r\n");
  client.read();
  client.send("BITCOUNT k \"\"");
  CHECK(rig.link().pending.size() == 2);
  rig.fill("-ERR syntax error\r\n");
  CHECK(client.read() == "-ERR syntax error\r\n");
}

TEST_CASE("errors are passed on and asked for again") {
  Rig rig;
  TestClient client(rig);
  for (int i = 0; i < 2; i++) {
    client.send("HGETALL s");
    CHECK(rig.pending() == "PTTL s, HGETALL s");
    rig.fill("-WRONGTYPE no\r\n");
    CHECK(client.read() == "-WRONGTYPE no\r\n");
  }
}

TEST_CASE("each RESP version has its own entry and its own flight where the replies differ") {
  Rig rig;
  TestClient two(rig);
  TestClient three(rig);
  speak_resp3(rig, three);
  FakeLink& link3 = rig.threads[0]->links.at({0, resp::Version::resp3});
  two.send("HGETALL h");
  three.send("HGETALL h");
  REQUIRE(rig.link().pending.size() == 2);
  REQUIRE(link3.pending.size() == 2);
  rig.fill("*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
  link3.reply(":-1\r\n");
  link3.reply("%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
  rig.run();
  CHECK(two.read() == "*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
  CHECK(three.read() == "%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
  rig.acknowledge();
  two.send("HGETALL h");
  three.send("HGETALL h");
  CHECK(two.read() == "*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
  CHECK(three.read() == "%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
  // A nil too is each version's own.
  two.send("HGET h none");
  rig.fill("$-1\r\n");
  CHECK(two.read() == "$-1\r\n");
  three.send("HGET h none");
  REQUIRE(link3.pending.size() == 2);
  link3.reply(":-1\r\n");
  link3.reply("_\r\n");
  rig.run();
  CHECK(three.read() == "_\r\n");
}

TEST_CASE("a number is one entry for both RESP versions") {
  Rig rig;
  TestClient two(rig);
  TestClient three(rig);
  speak_resp3(rig, three);
  two.send("HLEN h");
  rig.fill(":3\r\n");
  CHECK(two.read() == ":3\r\n");
  three.send("HLEN h");
  CHECK(three.read() == ":3\r\n");
}

TEST_CASE("a version that changes in the middle of a pipeline changes the entries with it") {
  Rig rig;
  TestClient client(rig);
  client.send("HGETALL h");
  rig.fill("*0\r\n");
  CHECK(client.read() == "*0\r\n");
  client.send("HGETALL h\r\nHELLO 3\r\nHGETALL h");
  FakeLink& link3 = rig.threads[0]->links.at({0, resp::Version::resp3});
  REQUIRE(link3.pending.size() == 1);
  link3.reply("+PONG\r\n");
  rig.run();
  REQUIRE(link3.pending.size() == 2);
  link3.reply(":-1\r\n");
  link3.reply("%0\r\n");
  rig.run();
  const std::string all = client.read();
  CHECK(all.starts_with("*0\r\n%7\r\n"));
  CHECK(all.ends_with("%0\r\n"));
}

TEST_CASE("one flight answers all who ask the same, and only them") {
  Rig rig;
  TestClient one(rig);
  TestClient two(rig);
  TestClient three(rig);
  one.send("LRANGE l 0 -1");
  two.send("lrange l 0 -1");
  three.send("LRANGE l 0 1");
  CHECK(rig.pending() == "PTTL l, LRANGE l 0 -1, PTTL l, LRANGE l 0 1");
  rig.fill("*1\r\n$1\r\na\r\n");
  rig.fill("*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  CHECK(one.read() == "*1\r\n$1\r\na\r\n");
  CHECK(two.read() == "*1\r\n$1\r\na\r\n");
  CHECK(three.read() == "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
}

TEST_CASE("after a newer reply of one command, an older entry of another waits for a PING") {
  Rig rig;
  TestClient client(rig);
  client.send("HGET h f");
  rig.fill("$3\r\nOLD\r\n");
  client.read();
  // Written past the proxy, and the event has not come yet.
  client.send("HGETALL h");
  rig.fill("*2\r\n$1\r\nf\r\n$3\r\nNEW\r\n");
  client.read();
  client.send("HGET h f");
  CHECK(client.read().empty());
  CHECK(rig.link().pending.empty());
  CHECK(rig.threads[0]->gate.waits.size() == 1);
  // The event comes before the PONG.
  rig.cache.event(rig.cache.hash(0, "h"));
  rig.acknowledge();
  CHECK(rig.pending() == "PTTL h, HGET h f");
  rig.fill("$3\r\nNEW\r\n");
  CHECK(client.read() == "$3\r\nNEW\r\n");
}

TEST_CASE("the same from another session's reply on another link, which this one has not seen") {
  Rig rig(2);
  TestClient one(rig, 0);
  TestClient two(rig, 1);
  one.send("HGET h f");
  rig.fill("$3\r\nOLD\r\n");
  one.read();
  two.send("HGETALL h");
  rig.fill("*2\r\n$1\r\nf\r\n$3\r\nNEW\r\n", ":-1\r\n", 1);
  CHECK(two.read() == "*2\r\n$1\r\nf\r\n$3\r\nNEW\r\n");
  two.send("HGET h f");
  one.send("HGET h f");
  CHECK(one.read().empty());
  CHECK(two.read().empty());
  rig.cache.event(rig.cache.hash(0, "h"));
  rig.acknowledge();
  CHECK(rig.link(0).pending.size() + rig.link(1).pending.size() == 2);
}

TEST_CASE("no hit past an older read of the key by another command that is outstanding") {
  Rig rig;
  TestClient client(rig);
  client.send("HGET h f");
  rig.fill("$1\r\nV\r\n");
  client.read();
  client.send("HGETALL h\r\nHGET h f");
  CHECK(rig.pending() == "PTTL h, HGETALL h, PTTL h, HGET h f");
}

TEST_CASE("a write through the proxy drops every reply under the key") {
  Rig rig;
  TestClient client(rig);
  client.send("HGET h f\r\nHGETALL h\r\nHLEN h");
  rig.fill("$1\r\nV\r\n");
  rig.fill("*2\r\n$1\r\nf\r\n$1\r\nV\r\n");
  rig.fill(":1\r\n");
  client.read();
  client.send("HSET h f W");
  rig.reply(":0\r\n");
  client.read();
  client.send("HGET h f\r\nHGETALL h\r\nHLEN h");
  CHECK(rig.pending() == "PTTL h, HGET h f, PTTL h, HGETALL h, PTTL h, HLEN h");
}

TEST_CASE("a large reply of many parts is passed on as it comes, to all who wait, and not kept") {
  Rig rig(1, [](config::Config& config) { config.l1.max_value = 16; });
  TestClient one(rig);
  TestClient two(rig);
  one.send("SMEMBERS s");
  two.send("SMEMBERS s");
  rig.link().reply(":-1\r\n");
  rig.link().piece("*3\r\n$4\r\nabcd\r\n");
  rig.run();
  CHECK(one.read().empty());  // it may still be small enough
  rig.link().piece("$4\r\nef");
  rig.run();
  CHECK(one.read() == "*3\r\n$4\r\nabcd\r\n$4\r\nef");
  CHECK(two.read() == "*3\r\n$4\r\nabcd\r\n$4\r\nef");
  rig.reply("gh\r\n$1\r\ni\r\n");
  CHECK(one.read() == "gh\r\n$1\r\ni\r\n");
  CHECK(two.read() == "gh\r\n$1\r\ni\r\n");
  two.send("SMEMBERS s");
  CHECK(rig.pending() == "PTTL s, SMEMBERS s");
}

TEST_CASE("arguments too long to be a name are relayed without a fill") {
  Rig rig;
  TestClient client(rig);
  const std::string read = "HGET h " + std::string(5000, 'f');
  for (int i = 0; i < 2; i++) {
    client.send(read);
    CHECK(rig.pending() == read);
    rig.reply("$1\r\nV\r\n");
    CHECK(client.read() == "$1\r\nV\r\n");
  }
}

TEST_CASE("a read that l1.commands leaves out is relayed") {
  Rig rig(1, [](config::Config& config) { config.l1.commands = {"-hgetall", "-ttl", "-mget"}; });
  TestClient client(rig);
  client.send("GET a");
  rig.fill("$1\r\nA\r\n");
  client.read();
  rig.acknowledge();
  client.send("MGET a\r\nTTL a\r\nHGETALL h");
  CHECK(rig.pending() == "MGET a, TTL a, HGETALL h");
}

TEST_CASE("an empty reply of a missing key is an entry of a missing key") {
  Rig rig;
  TestClient client(rig);
  client.send("HGETALL h");
  rig.fill("*0\r\n", ":-2\r\n");
  CHECK(client.read() == "*0\r\n");
  client.send("HGETALL h");
  CHECK(client.read() == "*0\r\n");
  CHECK(rig.registry.sum()[static_cast<std::size_t>(stats::Counter::l1_negative_hits)] == 1);
  // A missing field is not.
  client.send("HGET g f");
  rig.fill("$-1\r\n");
  client.read();
  client.send("HGET g f");
  CHECK(client.read() == "$-1\r\n");
  CHECK(rig.registry.sum()[static_cast<std::size_t>(stats::Counter::l1_negative_hits)] == 1);
}

TEST_CASE("where the namespace says how long, nobody asks for the TTL, and nobody is told it") {
  Rig rig(1, own_ttl);
  TestClient client(rig);
  for (const char* read : {"GET own:a", "HGET own:h f"}) {
    CAPTURE(read);
    client.send(read);
    CHECK(rig.pending() == read);
    rig.reply("$1\r\nv\r\n");
    CHECK(client.read() == "$1\r\nv\r\n");
    client.send(read);
    CHECK(client.read() == "$1\r\nv\r\n");
  }
  rig.acknowledge();
  client.send("PTTL own:a");
  CHECK(rig.pending() == "PTTL own:a");
  rig.reply(":7\r\n");
  CHECK(client.read() == ":7\r\n");
  // That a key is missing is told by the reply itself.
  client.send("GET own:none");
  rig.reply("$-1\r\n");
  CHECK(client.read() == "$-1\r\n");
  client.send("EXISTS own:none");
  CHECK(client.read() == ":0\r\n");
  CHECK(rig.link().pending.empty());
}

TEST_CASE("an MGET asks for the TTL of those keys that have no other") {
  Rig rig(1, own_ttl);
  TestClient client(rig);
  client.send("MGET own:a b own:c d");
  CHECK(rig.pending() == "PTTL b, PTTL d, MGET own:a b own:c d");
  rig.reply(":-1\r\n");
  rig.reply(":1\r\n");
  const std::string values = "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n";
  rig.reply(values);
  CHECK(client.read() == values);
  client.send("GET own:a");
  CHECK(client.read() == "$1\r\n1\r\n");
  client.send("GET b");
  CHECK(client.read() == "$1\r\n2\r\n");
  client.send("GET own:c");
  CHECK(client.read() == "$1\r\n3\r\n");
  CHECK(rig.link().pending.empty());
}

// A whole window of misses in a full L1 is needed, twice; then reads go past it, and are counted.
TEST_CASE("while L1 is full and of no use, reads go past it without a PTTL") {
  Rig rig(1, [](config::Config& config) { config.l1.bypass = true; });
  rig.cache.for_each_shard([](coherence::Shard& shard) {
    l1::Limits limits = shard.store().limits();
    limits.max_entries = 1;
    shard.store().set_limits(limits);
  });
  TestClient client(rig);
  const auto counted = [&](stats::Counter counter) {
    return rig.registry.sum()[static_cast<std::size_t>(counter)];
  };
  std::uint64_t read = 0;
  std::string with_pttl;
  const auto one = [&] {
    const std::string key = "k" + std::to_string(read++);
    client.send("GET " + key);
    const std::string pending = rig.pending();
    if (pending.starts_with("PTTL")) {
      rig.fill("$1\r\nv\r\n");
    } else {
      CHECK(pending == "GET " + key);
      rig.reply("$1\r\nv\r\n");
    }
    CHECK(client.read() == "$1\r\nv\r\n");
    return pending.starts_with("PTTL");
  };
  while (read < 2 * proxy::Bypass::kWindow) {
    REQUIRE(one());
  }
  CHECK(counted(stats::Counter::l1_bypassed) == 0);
  CHECK(!one());
  CHECK(!one());
  CHECK(counted(stats::Counter::l1_bypassed) == 2);
  CHECK(counted(stats::Counter::l1_misses) == read);
  CHECK(counted(stats::Counter::l1_fills) == read - 2);
}
