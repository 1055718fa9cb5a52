// Answers come in the order of the requests, and no answer is older than one given before.
#include "fake_upstream.hpp"

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy::testing;

TEST_CASE("a hit waits behind an answer that is outstanding") {
  Rig rig;
  TestClient client(rig);
  client.send("GET a");
  rig.fill("$1\r\nA\r\n");
  CHECK(client.read() == "$1\r\nA\r\n");
  client.send("INCR n\r\nGET a\r\nPING");
  CHECK(rig.pending() == "INCR n");
  CHECK(client.read().empty());
  rig.reply(":1\r\n");
  CHECK(client.read() == ":1\r\n$1\r\nA\r\n+PONG\r\n");
}

TEST_CASE("a read is sent once for all who ask meanwhile") {
  Rig rig;
  TestClient one(rig);
  TestClient two(rig);
  one.send("GET a");
  two.send("GET a");
  one.send("GET a");
  CHECK(rig.pending() == "PTTL a, GET a");
  rig.fill("$1\r\nA\r\n");
  CHECK(one.read() == "$1\r\nA\r\n$1\r\nA\r\n");
  CHECK(two.read() == "$1\r\nA\r\n");
  two.send("GET a");
  CHECK(two.read() == "$1\r\nA\r\n");
  CHECK(rig.link().pending.empty());
}

TEST_CASE("no hit past an older read of the same key that is outstanding") {
  Rig rig;
  TestClient one(rig);
  TestClient two(rig);
  one.send("DUMP a");
  two.send("GET a");
  one.send("GET a");
  // one's GET joined two's flight on the same link: that was sent after its older read.
  CHECK(rig.pending() == "DUMP a, PTTL a, GET a");
  rig.reply("$1\r\nN\r\n");
  rig.fill("$3\r\nNEW\r\n");
  CHECK(one.read() == "$1\r\nN\r\n$3\r\nNEW\r\n");
  one.send("DUMP a\r\nGET a");
  // There is an entry now, but the older read may bring something newer.
  CHECK(rig.pending() == "DUMP a, PTTL a, GET a");
}

TEST_CASE("a read joined on another link stalls the session until it is answered") {
  Rig rig(2);
  TestClient one(rig, 0);
  TestClient two(rig, 1);
  one.send("GET a");
  two.send("GET b");
  rig.fill("$1\r\nB\r\n", ":-1\r\n", 1);
  CHECK(two.read() == "$1\r\nB\r\n");
  two.send("GET a\r\nINCR n\r\nGET b");
  CHECK(rig.pending(0) == "PTTL a, GET a");
  CHECK(rig.pending(1).empty());
  rig.fill("$1\r\nA\r\n");
  CHECK(one.read() == "$1\r\nA\r\n");
  CHECK(rig.pending(1) == "INCR n");
  CHECK(two.read() == "$1\r\nA\r\n");
  rig.reply(":1\r\n", 1);
  CHECK(two.read() == ":1\r\n$1\r\nB\r\n");
}

TEST_CASE("nobody joins a flight that an own write has overtaken") {
  Rig rig;
  TestClient one(rig);
  TestClient two(rig);
  one.send("GET a");
  two.send("SET a NEW\r\nGET a");
  CHECK(rig.pending() == "PTTL a, GET a, SET a NEW, PTTL a, GET a");
  rig.fill("$3\r\nOLD\r\n");
  rig.reply("+OK\r\n");
  rig.fill("$3\r\nNEW\r\n");
  CHECK(one.read() == "$3\r\nOLD\r\n");
  CHECK(two.read() == "+OK\r\n$3\r\nNEW\r\n");
}

TEST_CASE("an entry of before a write is gone before the write is answered") {
  Rig rig;
  TestClient client(rig);
  client.send("GET a");
  rig.fill("$1\r\nA\r\n");
  client.send("SET a B");
  client.send("GET a");
  CHECK(rig.pending() == "SET a B, PTTL a, GET a");
  rig.reply("+OK\r\n");
  rig.fill("$1\r\nB\r\n");
  CHECK(client.read() == "$1\r\nA\r\n+OK\r\n$1\r\nB\r\n");
}

TEST_CASE("MGET from L1 waits for the PING that makes its parts one moment") {
  Rig rig;
  TestClient client(rig);
  client.send("GET a\r\nGET b");
  rig.fill("$1\r\nA\r\n");
  rig.fill("$1\r\nB\r\n");
  client.read();
  client.send("MGET a b\r\nPING");
  CHECK(rig.threads[0]->gate.waits.size() == 1);
  CHECK(rig.link().pending.empty());
  CHECK(client.read().empty());
  rig.acknowledge();
  CHECK(client.read() == "*2\r\n$1\r\nA\r\n$1\r\nB\r\n+PONG\r\n");
  CHECK(rig.link().pending.empty());
}

TEST_CASE("MGET that misses is sent whole, and fills L1 key by key") {
  Rig rig;
  TestClient client(rig);
  client.send("MGET a l m a");
  CHECK(rig.pending() == "PTTL a, PTTL l, PTTL m, MGET a l m a");
  rig.link().reply(":-1\r\n");
  rig.link().reply(":-1\r\n");
  rig.link().reply(":-2\r\n");
  rig.reply("*4\r\n$1\r\nA\r\n$-1\r\n$-1\r\n$1\r\nA\r\n");
  CHECK(client.read() == "*4\r\n$1\r\nA\r\n$-1\r\n$-1\r\n$1\r\nA\r\n");
  rig.acknowledge();
  client.send("MGET m l a");
  CHECK(client.read() == "*3\r\n$-1\r\n$-1\r\n$1\r\nA\r\n");
  client.send("GET a\r\nGET m");
  CHECK(client.read() == "$1\r\nA\r\n$-1\r\n");
  CHECK(rig.link().pending.empty());
  client.send("GET l");  // nil for MGET may be a wrong type for GET
  CHECK(rig.pending() == "PTTL l, GET l");
}

TEST_CASE("a script's reply is held until a PING sent after it is acknowledged") {
  Rig rig;
  TestClient client(rig);
  client.send("GET a");
  rig.fill("$1\r\nA\r\n");
  client.read();
  client.send("EVAL x 0\r\nPING\r\nGET a");
  CHECK(Rig::pending(rig.scripts()) == "EVAL x 0, PTTL a, GET a");  // no hit past it
  for (const char* reply : {":1\r\n", ":-1\r\n", "$1\r\nB\r\n"}) {
    rig.scripts().reply(reply);
  }
  rig.run();
  CHECK(client.read().empty());
  CHECK(rig.threads[0]->gate.waits.size() == 1);
  rig.acknowledge();
  CHECK(client.read() == ":1\r\n+PONG\r\n$1\r\nB\r\n");
}

TEST_CASE("a flush empties L1 when it is sent and when it is answered") {
  Rig rig;
  TestClient one(rig);
  TestClient two(rig);
  one.send("GET a");
  rig.fill("$1\r\nA\r\n");
  one.read();
  two.send("FLUSHALL");
  one.send("GET a");
  CHECK(rig.pending() == "FLUSHALL, PTTL a, GET a");
  rig.reply("+OK\r\n");
  rig.fill("$-1\r\n", ":-2\r\n");
  one.read();
  one.send("GET a");  // its fill is of before the answer to the flush
  CHECK(rig.pending() == "PTTL a, GET a");
}

TEST_CASE("a move to another db waits until nothing is owed") {
  Rig rig;
  TestClient client(rig);
  client.send("SET a 1\r\nSELECT 1\r\nSET a 2");
  CHECK(rig.pending() == "SET a 1");
  rig.reply("+OK\r\n");
  FakeLink& other = rig.threads[0]->links.at({1, resp::Version::resp2});
  REQUIRE(other.pending.size() == 1);
  CHECK(other.pending[0].words == "PING");
  CHECK(client.read() == "+OK\r\n");
  other.reply("+PONG\r\n");
  rig.run();
  CHECK(client.read() == "+OK\r\n");
  REQUIRE(other.pending.size() == 1);
  CHECK(other.pending[0].words == "SET a 2");
}

TEST_CASE("a db that Redis refuses is refused in Redis's words") {
  Rig rig;
  TestClient client(rig);
  client.send("SELECT 99\r\nGET a");
  rig.threads[0]->links.at({99, resp::Version::resp2}).die("-ERR DB index is out of range");
  rig.run();
  CHECK(client.read() == "-ERR DB index is out of range\r\n");
  CHECK(rig.pending() == "PTTL a, GET a");
}

TEST_CASE("a saturated link stalls the session") {
  Rig rig;
  TestClient client(rig);
  client.send("GET a");
  rig.fill("$1\r\nA\r\n");
  rig.link().full = true;
  client.send("SET b 1");
  CHECK(rig.link().pending.empty());
  rig.link().full = false;
  const l2::ConsumerPtr waiting = std::move(rig.link().waiting);
  REQUIRE(waiting);
  waiting->on_room();
  rig.run();
  CHECK(rig.pending() == "SET b 1");
}

TEST_CASE("nil is each client's own") {
  Rig rig;
  TestClient two(rig);
  TestClient three(rig);
  three.send("HELLO 3");
  rig.threads[0]->links.at({0, resp::Version::resp3}).reply("+PONG\r\n");
  rig.run();
  CHECK(three.read().starts_with("%7\r\n"));
  two.send("GET a");
  rig.fill("$-1\r\n", ":-2\r\n");
  CHECK(two.read() == "$-1\r\n");
  three.send("GET a\r\nEXISTS a\r\nSTRLEN a");
  CHECK(three.read() == "_\r\n:0\r\n:0\r\n");
  rig.acknowledge();
  three.send("TTL a");
  CHECK(three.read() == ":-2\r\n");
}

TEST_CASE("a reply too large for L1 is passed on as it comes, to all who wait") {
  Rig rig(1, [](config::Config& config) { config.l1.max_value = 8; });
  TestClient one(rig);
  TestClient two(rig);
  one.send("GET a");
  two.send("GET a");
  rig.link().reply(":-1\r\n");
  rig.link().piece("$");
  rig.link().piece("20\r\n0123456789");
  rig.run();
  CHECK(one.read() == "$20\r\n0123456789");
  CHECK(two.read() == "$20\r\n0123456789");
  rig.reply("0123456789\r\n");
  CHECK(one.read() == "0123456789\r\n");
  CHECK(two.read() == "0123456789\r\n");
  two.send("GET a");
  CHECK(rig.pending() == "PTTL a, GET a");
}

TEST_CASE("TTL comes from the entry where that is exact") {
  Rig rig;
  TestClient client(rig);
  client.send("GET none\r\nTTL none\r\nPTTL none");
  CHECK(rig.pending() == "PTTL none, GET none, TTL none, PTTL none");  // the fill is not there yet
  rig.fill("$1\r\nV\r\n");
  rig.reply(":-1\r\n");
  rig.reply(":-1\r\n");
  client.read();
  client.send("GET none");
  rig.fill("$1\r\nV\r\n");
  client.read();
  // PTTL was answered before the read: the two are of one moment as of the next PING.
  client.send("TTL none\r\nPTTL none");
  CHECK(client.read().empty());
  CHECK(rig.threads[0]->gate.waits.size() == 1);
  rig.acknowledge();
  CHECK(client.read() == ":-1\r\n:-1\r\n");
  CHECK(rig.link().pending.empty());
  // Longer than an entry may live: its deadline is not Redis's.
  client.send("GET long");
  rig.fill("$1\r\nV\r\n", ":99999999\r\n");
  client.read();
  rig.acknowledge();
  client.send("TTL long");
  CHECK(rig.pending() == "TTL long");
}

TEST_CASE("what cannot be judged is not kept") {
  struct Case {
    const char* reply;
    const char* pttl;
  };
  for (const Case& c : {Case{"$1\r\nV\r\n", "-ERR no\r\n"}, Case{"-WRONGTYPE no\r\n", ":-1\r\n"},
                        Case{"$-1\r\n", ":5\r\n"}, Case{"$1\r\nV\r\n", ":-2\r\n"}}) {
    Rig rig;
    TestClient client(rig);
    client.send("GET a");
    rig.fill(c.reply, c.pttl);
    CHECK(client.read() == c.reply);
    client.send("GET a");
    CHECK(rig.pending() == "PTTL a, GET a");
  }
}

TEST_CASE("replies in pieces of one byte") {
  Rig rig;
  TestClient client(rig);
  client.send("EVAL x 0\r\nGET a\r\nMGET a b\r\nDUMP a");
  for (const std::string reply : {":42\r\n", ":-1\r\n", "$3\r\nabc\r\n", ":-1\r\n", ":-2\r\n",
                                  "*2\r\n$3\r\nabc\r\n$-1\r\n", "$2\r\nab\r\n"}) {
    for (const char byte : reply.substr(0, reply.size() - 1)) {
      rig.scripts().piece(std::string(1, byte));
      rig.run();
    }
    rig.scripts().reply("\n");
    rig.run();
  }
  rig.acknowledge();
  CHECK(client.read() == ":42\r\n$3\r\nabc\r\n*2\r\n$3\r\nabc\r\n$-1\r\n$2\r\nab\r\n");
}
