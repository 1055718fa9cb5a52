// Scripts have a link of their own, and a session is on one link at a time.
#include "fake_upstream.hpp"

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy::testing;

TEST_CASE("nobody waits behind another's script") {
  Rig rig;
  TestClient one(rig);
  TestClient two(rig);
  one.send("EVAL x 0");
  two.send("SET a 1\r\nSCRIPT KILL\r\nFUNCTION KILL\r\nFUNCTION STATS");
  CHECK(Rig::pending(rig.scripts()) == "EVAL x 0");
  CHECK(rig.pending() == "SET a 1, SCRIPT KILL, FUNCTION KILL, FUNCTION STATS");
  rig.reply("-BUSY Redis is busy\r\n");
  rig.reply("+OK\r\n");
  CHECK(two.read() == "-BUSY Redis is busy\r\n+OK\r\n");
  CHECK(one.read().empty());
}

TEST_CASE("a script waits for the replies that the session's other link owes") {
  for (const char* script :
       {"EVAL x 0", "EVAL_RO x 0", "EVALSHA x 0", "EVALSHA_RO x 0", "FCALL x 0", "FCALL_RO x 0"}) {
    Rig rig;
    TestClient client(rig);
    client.send("EVAL x 0");
    rig.scripts().reply("-NOSCRIPT\r\n");
    rig.acknowledge();
    client.read();
    client.send("SET a 1\r\nGET b\r\n" + std::string(script));
    CHECK(rig.pending() == "SET a 1, PTTL b, GET b");
    rig.reply("+OK\r\n");
    CHECK(rig.scripts().pending.empty());
    rig.fill("$1\r\nB\r\n");
    CHECK(Rig::pending(rig.scripts()) == script);
    rig.scripts().reply(":1\r\n");
    rig.acknowledge();
    CHECK(client.read() == "+OK\r\n$1\r\nB\r\n:1\r\n");
  }
}

TEST_CASE("what is pipelined behind a script follows it, and later requests do not") {
  Rig rig;
  TestClient client(rig);
  client.send("EVAL x 1 a\r\nSET b 1\r\nEVAL y 0\r\nGET a");
  CHECK(Rig::pending(rig.scripts()) == "EVAL x 1 a, SET b 1, EVAL y 0, PTTL a, GET a");
  for (const char* reply : {":1\r\n", "+OK\r\n", ":2\r\n", ":-1\r\n"}) {
    rig.scripts().reply(reply);
  }
  client.send("SET c 1");
  CHECK(Rig::pending(rig.scripts()) == "GET a, SET c 1");
  rig.scripts().reply("$1\r\nA\r\n");
  rig.scripts().reply("+OK\r\n");
  rig.acknowledge();
  CHECK(client.read() == ":1\r\n+OK\r\n:2\r\n$1\r\nA\r\n+OK\r\n");
  client.send("SET d 1");
  CHECK(rig.scripts().pending.empty());
  CHECK(rig.pending() == "SET d 1");
}

TEST_CASE("a reader who joined a flight behind a script sends nothing until it is answered") {
  Rig rig;
  TestClient one(rig);
  TestClient two(rig);
  one.send("EVAL x 0\r\nGET a");
  two.send("GET a\r\nSTRLEN a");
  rig.scripts().reply(":1\r\n");
  rig.scripts().reply(":-1\r\n");
  rig.scripts().reply("$1\r\nA\r\n");
  rig.run();
  CHECK(two.read() == "$1\r\nA\r\n:1\r\n");
  rig.acknowledge();
  CHECK(one.read() == ":1\r\n$1\r\nA\r\n");
}

TEST_CASE("while the event link is down, PING is for Redis to answer, if it can be asked") {
  Rig rig;
  TestClient client(rig);
  TestClient fresh(rig);
  client.send("SET a 1\r\nPING");
  rig.reply("+OK\r\n");
  CHECK(client.read() == "+OK\r\n+PONG\r\n");
  rig.cache.status().set_state(coherence::LinkState::down);
  client.send("PING");
  fresh.send("PING");
  CHECK(rig.pending() == "PING");
  CHECK(fresh.read() == "+PONG\r\n");
  rig.reply("-BUSY Redis is busy\r\n");
  CHECK(client.read() == "-BUSY Redis is busy\r\n");
}
