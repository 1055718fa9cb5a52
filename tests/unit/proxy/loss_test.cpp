// What is left in order when a client or a link goes away in the middle.
#include "fake_upstream.hpp"

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy::testing;

namespace {

// Whether a read of `key` through the client can be answered from L1 after one fill. A barrier
// that was not ended refuses every fill.
bool can_be_filled(Rig& rig, TestClient& client, const std::string& key) {
  client.send("GET " + key);
  rig.fill("$1\r\nV\r\n");
  client.read();
  client.send("GET " + key);
  return client.read() == "$1\r\nV\r\n" && rig.link().pending.empty();
}

void no_retries(config::Config& config) {
  config.upstream.retry_percent = 0;
}

}  // namespace

TEST_CASE("a lost link: reads and writes are told apart, barriers end") {
  Rig rig;
  TestClient client(rig);
  client.send("GET a\r\nSET b 1\r\nEVAL x 1 c\r\nFLUSHALL\r\nPING");
  rig.link().die("Redis closed the connection");
  rig.run();
  rig.scripts().die("Redis closed the connection");
  rig.run();
  const std::string unknown =
      "-ERR tiercache: connection to upstream lost, the outcome of this command is unknown\r\n";
  CHECK(client.read() ==
        "-ERR tiercache: upstream 127.0.0.1:6379 is unavailable: Redis closed the connection\r\n" +
            unknown + unknown + unknown + "+PONG\r\n");
  for (const char* key : {"a", "b", "c"}) {
    CHECK(can_be_filled(rig, client, key));
  }
}

TEST_CASE("everyone who waits for a lost flight is told") {
  Rig rig(2, no_retries);
  TestClient one(rig, 0);
  TestClient two(rig, 0);
  TestClient abroad(rig, 1);
  one.send("GET a");
  two.send("GET a");
  abroad.send("GET a\r\nPING");
  rig.link().die("gone");
  rig.run();
  const std::string error = "-ERR tiercache: upstream 127.0.0.1:6379 is unavailable: gone\r\n";
  CHECK(one.read() == error);
  CHECK(two.read() == error);
  CHECK(abroad.read() == error + "+PONG\r\n");
}

TEST_CASE("a reply that breaks off closes those who have half of it") {
  Rig rig(1, [](config::Config& config) {
    no_retries(config);
    config.l1.max_value = 8;
  });
  TestClient one(rig);
  TestClient two(rig);
  one.send("GET a");
  two.send("LRANGE l 0 -1");
  rig.link().reply(":-1\r\n");
  rig.link().piece("$20\r\n0123456789");
  rig.run();
  rig.link().die("gone");
  rig.run();
  CHECK(one.read() == "$20\r\n0123456789");
  CHECK(one.closed());
  CHECK(two.read().starts_with("-ERR tiercache: upstream"));
  CHECK_FALSE(two.closed());
}

TEST_CASE("Redis away: one error for each request, PING is answered") {
  Rig rig;
  rig.threads[0]->links.away = true;
  TestClient client(rig);
  client.send("GET a\r\nSET a 1\r\nPING\r\nMULTI\r\nINFO");
  const std::string error =
      "-ERR tiercache: upstream 127.0.0.1:6379 is unavailable: it is away\r\n";
  CHECK(client.read().starts_with(error + error + "+PONG\r\n"));
}

TEST_CASE("a flight is completed for the others when its client has gone") {
  Rig rig;
  TestClient two(rig);
  {
    TestClient one(rig);
    one.send("GET a");
    two.send("GET a");
  }
  CHECK(rig.threads[0]->worker->sessions() == 2);
  rig.fill("$1\r\nA\r\n");
  CHECK(two.read() == "$1\r\nA\r\n");
  two.send("GET a");
  CHECK(two.read() == "$1\r\nA\r\n");
  CHECK(rig.threads[0]->worker->sessions() == 1);
}

TEST_CASE("a write's barrier ends although its client has gone") {
  Rig rig;
  TestClient two(rig);
  {
    TestClient one(rig);
    one.send("EVAL x 1 b\r\nSET a 1");
  }
  rig.scripts().reply(":1\r\n");
  rig.scripts().reply("+OK\r\n");
  rig.run();
  rig.acknowledge();
  CHECK(can_be_filled(rig, two, "a"));
  CHECK(can_be_filled(rig, two, "b"));
  CHECK(rig.threads[0]->worker->sessions() == 1);
}

TEST_CASE("a client that does not read is closed at its limit, and its replies are skipped") {
  Rig rig(1, [](config::Config& config) {
    config.limits.client_output = 4 << 20;
    config.limits.client_output_pause = 1 << 20;
    config.l1.max_value = 1 << 10;
  });
  TestClient slow(rig);
  TestClient other(rig);
  slow.send("GET a\r\nGET c\r\nSET b 1");
  other.send("PING");
  const auto large_reply = [&rig] {
    rig.link().reply(":-1\r\n");
    rig.link().piece("$8000000\r\n");
    for (int i = 0; i < 7; i++) {
      rig.link().piece(std::string(1000000, 'x'));
      rig.run();
    }
    rig.reply(std::string(1000000, 'x') + "\r\n");
  };
  large_reply();
  CHECK(rig.hub.clients == 2);  // one reply may be larger than the limit
  large_reply();
  CHECK(rig.hub.clients == 1);
  rig.reply("+OK\r\n");
  CHECK(other.read() == "+PONG\r\n");
  CHECK(slow.closed());
  CHECK(can_be_filled(rig, other, "b"));
  CHECK(rig.threads[0]->worker->sessions() == 1);
}

TEST_CASE("a client with too many requests outstanding is not read any further") {
  Rig rig(1, [](config::Config& config) { config.limits.client_pending = 4; });
  TestClient client(rig);
  client.send("INCR a\r\nINCR b\r\nINCR c\r\nINCR d\r\nINCR e\r\nINCR f");
  CHECK(rig.pending() == "INCR a, INCR b, INCR c, INCR d");
  rig.reply(":1\r\n");
  rig.reply(":2\r\n");
  CHECK(rig.pending() == "INCR c, INCR d, INCR e, INCR f");
}

TEST_CASE("beyond max_clients a client is refused") {
  Rig rig(1, [](config::Config& config) { config.listen.max_clients = 1; });
  TestClient first(rig);
  TestClient second(rig);
  CHECK(second.read() == "-ERR max number of clients reached\r\n");
  CHECK(second.closed());
  first.close();
  TestClient third(rig);
  third.send("PING");
  CHECK(third.read() == "+PONG\r\n");
}

TEST_CASE(
    "without a connection of its own a client gets an error, and closes if it counts on one") {
  Rig rig;
  rig.threads[0]->links.crowded = true;
  TestClient blocking(rig);
  blocking.send("BLPOP l 0\r\nPING");
  CHECK(blocking.read() == "-ERR too many\r\n+PONG\r\n");
  blocking.send("AUTH pw");
  CHECK(blocking.read() == "-ERR too many\r\n");
  // What is asked of it on another's behalf shows nowhere.
  TestClient other(rig);
  other.send("CLIENT ID");
  rig.threads[0]->links.crowded = false;
  TestClient tracker(rig);
  tracker.send("MULTI\r\nDISCARD");
  rig.own().frame("+OK\r\n");
  rig.own().frame("+OK\r\n");
  rig.run();
  tracker.read();
  rig.threads[0]->links.crowded = true;
  tracker.send("CLIENT TRACKING ON REDIRECT " + other.read().substr(1));
  CHECK(rig.own().raw.back() == "CLIENT TRACKING ON REDIRECT 0");
  other.send("PING");
  CHECK(other.read() == "+PONG\r\n");
  for (const char* first : {"MULTI", "WATCH a", "SUBSCRIBE c"}) {
    TestClient client(rig);
    client.send(std::string(first) + "\r\nSET a 1");
    CHECK(client.read() == "-ERR too many\r\n");
    CHECK(client.closed());
  }
}

TEST_CASE("a transaction's barriers stand from EXEC to its reply, and end with the link") {
  Rig rig;
  TestClient client(rig);
  TestClient other(rig);
  client.send("MULTI\r\nSET a 1\r\nEXEC");
  CHECK(rig.own().raw == std::vector<std::string>{"MULTI", "SET a 1", "EXEC"});
  other.send("GET a");
  rig.fill("$1\r\nO\r\n");
  other.read();
  other.send("GET a");
  CHECK(rig.pending() == "PTTL a, GET a");  // not filled: the write is under way
  rig.fill("$1\r\nO\r\n");
  rig.own().frame("+OK\r\n");
  rig.own().frame("+QUEUED\r\n");
  rig.own().die("gone");
  rig.run();
  CHECK(client.read() ==
        "+OK\r\n+QUEUED\r\n"
        "-ERR tiercache: connection to upstream lost, the outcome of this command is unknown\r\n");
  CHECK(client.closed());
  other.read();
  CHECK(can_be_filled(rig, other, "a"));
}

TEST_CASE("messages come behind a held reply, in the order in which Redis sent them") {
  Rig rig;
  TestClient client(rig);
  client.send("HELLO 3");
  rig.threads[0]->links.at({0, resp::Version::resp3}).reply("+PONG\r\n");
  rig.run();
  client.read();
  client.send("SUBSCRIBE c\r\nEVAL x 0");
  rig.own().frame(">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n", true);
  rig.own().frame(":1\r\n");
  rig.own().frame(">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n", true);
  rig.run();
  CHECK(client.read() == ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
  rig.acknowledge();
  CHECK(client.read() == ":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n");
}

TEST_CASE("a client that leaves is noticed while it blocks, even after QUIT") {
  Rig rig;
  for (const char* lines : {"BLPOP l 0", "BLPOP l 0\r\nQUIT", "BLPOP l 0\r\nCACHE STATS",
                            "BLPOP l 0\r\nHELLO 3\r\nPING", "SUBSCRIBE c"}) {
    TestClient client(rig);
    client.send(lines);
    REQUIRE(!rig.own().raw.empty());
    if (rig.own().raw[0] == "SUBSCRIBE c") {
      rig.own().frame("*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
      rig.run();
    }
    client.close();
    CHECK(rig.threads[0]->worker->sessions() == 0);
    CHECK(rig.own().state() == l2::Link::State::dead);
  }
}

TEST_CASE("a push comes behind the reply that Redis sent before it") {
  Rig rig;
  TestClient client(rig);
  client.send("HELLO 3");
  rig.threads[0]->links.at({0, resp::Version::resp3}).reply("+PONG\r\n");
  rig.run();
  client.read();
  client.send("CLIENT TRACKING ON");
  rig.own().frame("+OK\r\n");
  rig.run();
  client.read();
  client.send("EVAL x 0\r\nCLIENT ID\r\nGET a\r\nGET b");
  rig.own().frame(":1\r\n");
  rig.own().frame("$1\r\nA\r\n");
  rig.own().frame(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n", true);
  rig.own().frame("$1\r\nB\r\n");
  rig.run();
  CHECK(client.read().empty());
  rig.acknowledge();
  CHECK(client.read() ==
        ":1\r\n:1\r\n$1\r\nA\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n$1\r\nB\r\n");
}

TEST_CASE("a pinned client that does not read stops Redis, not the proxy's memory") {
  Rig rig(1, [](config::Config& config) { config.limits.client_output_pause = 1 << 20; });
  TestClient client(rig);
  client.send("SUBSCRIBE c");
  rig.own().frame("*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
  rig.run();
  const std::string message =
      "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$100000\r\n" + std::string(100000, 'm') + "\r\n";
  int sent = 0;
  while (!rig.own().reading_paused) {
    REQUIRE(++sent < 1000);
    rig.own().frame(message);
    rig.run();
  }
  std::size_t got = 0;
  while (rig.own().reading_paused) {
    const std::string bytes = client.read();
    REQUIRE_FALSE(bytes.empty());
    got += bytes.size();
  }
  got += client.read().size();
  CHECK(got == 30 + static_cast<std::size_t>(sent) * message.size());
}

TEST_CASE("what is kept back until its reply is complete does not stop the rest of it") {
  Rig rig(1, [](config::Config& config) { config.limits.client_output_pause = 1 << 20; });
  constexpr std::size_t kHalf = 1'500'000;
  const std::string half(kHalf, 'v');
  const std::string header = "$" + std::to_string(2 * kHalf) + "\r\n";
  SUBCASE("a script, behind one whose fence is asked for") {
    TestClient client(rig);
    client.send("WATCH k\r\nEVAL x 0\r\nEVAL y 0");
    FakeLink& own = rig.own();
    own.frame("+OK\r\n");
    own.frame(":1\r\n");
    own.frame_piece(header + half);
    rig.run();
    rig.acknowledge();
    CHECK_FALSE(own.reading_paused);
    CHECK(client.read() == "+OK\r\n:1\r\n");
    own.frame(half + "\r\n");
    rig.run();
    CHECK(client.read().empty());
    rig.acknowledge();
    CHECK(client.read() == header + half + half + "\r\n");
  }
  SUBCASE("EXEC with a CLIENT of the proxy's own in it") {
    TestClient client(rig);
    client.send("WATCH k\r\nEVAL x 0\r\nMULTI\r\nCLIENT GETNAME\r\nGET a\r\nEXEC");
    FakeLink& own = rig.own();
    for (const char* bytes : {"+OK\r\n", ":1\r\n", "+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n"}) {
      own.frame(bytes);
    }
    own.frame_piece("*2\r\n$9\r\ntiercache\r\n" + header + half);
    rig.run();
    rig.acknowledge();
    CHECK_FALSE(own.reading_paused);
    CHECK(client.read() == "+OK\r\n:1\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    own.frame(half + "\r\n");
    rig.run();
    CHECK(client.read() == "*2\r\n$-1\r\n" + header + half + half + "\r\n");
  }
}

TEST_CASE("a link that was paused for a reply is read again for the next") {
  Rig rig(1, [](config::Config& config) { config.limits.client_output_pause = 1 << 20; });
  TestClient client(rig);
  const std::string value = "$1500000\r\n" + std::string(1'500'000, 'v') + "\r\n";
  client.send("MULTI\r\nEVAL x 0\r\nEXEC");
  FakeLink& own = rig.own();
  own.frame("+OK\r\n");
  own.frame("+QUEUED\r\n");
  own.frame("*1\r\n" + value);
  rig.run();
  CHECK(client.read() == "+OK\r\n+QUEUED\r\n");
  CHECK(own.reading_paused);  // it waits for its fence
  rig.acknowledge();
  CHECK(client.read() == "*1\r\n" + value);
  client.send("MULTI");
  CHECK(&rig.own() == &own);
  CHECK_FALSE(own.reading_paused);
  CHECK(own.raw.back() == "MULTI");
}
