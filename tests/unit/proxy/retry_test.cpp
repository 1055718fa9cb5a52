// Reads whose link is lost: which are sent again, and in what order.
#include "fake_upstream.hpp"
#include "retry_budget.hpp"

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy;
using namespace tiercache::proxy::testing;
using stats::Counter;

namespace {

std::uint64_t sum(Rig& rig, Counter counter) {
  return rig.registry.sum()[static_cast<std::size_t>(counter)];
}

// Another link takes the place of the one that dies.
void lose(Rig& rig, std::string_view why = "gone") {
  rig.link().die(why);
  rig.run();
}

const std::string kUnknown =
    "-ERR tiercache: connection to upstream lost, the outcome of this command is unknown\r\n";

std::string away(const std::string& why) {
  return "-ERR tiercache: upstream 127.0.0.1:6379 is unavailable: " + why + "\r\n";
}

}  // namespace

TEST_CASE("reads are sent again in their order, once, and clients see nothing of it") {
  Rig rig;
  TestClient client(rig);
  client.send("SET x 1\r\nGET a\r\nSTRLEN a\r\nMGET a b\r\nTTL a\r\nSDIFF s t\r\nPING");
  lose(rig);
  CHECK(rig.pending() == "GET a, STRLEN a, MGET a b, TTL a, SDIFF s t");
  CHECK(client.read() == kUnknown);
  client.send("GET a");
  CHECK(rig.pending() == "GET a, STRLEN a, MGET a b, TTL a, SDIFF s t, PTTL a, GET a");
  rig.reply("$1\r\n1\r\n");
  rig.reply(":1\r\n");
  CHECK(client.read() == "$1\r\n1\r\n:1\r\n");
  lose(rig);
  CHECK(rig.pending() == "GET a");  // the others have had their chance
  CHECK(client.read() == away("gone") + away("gone") + away("gone") + "+PONG\r\n");
  rig.reply("$1\r\n2\r\n");
  CHECK(client.read() == "$1\r\n2\r\n");
  CHECK(sum(rig, Counter::l2_retries) == 6);
  CHECK(sum(rig, Counter::l2_errors) == 4);
  CHECK(sum(rig, Counter::l2_retries_refused) == 0);
}

TEST_CASE("a read is not repeated past a write that its client has sent behind it") {
  Rig rig;
  TestClient client(rig);
  client.send("GET a\r\nSET a 1\r\nGET a");
  lose(rig);
  CHECK(rig.pending() == "GET a");
  rig.reply("$1\r\n1\r\n");
  CHECK(client.read() == away("gone") + kUnknown + "$1\r\n1\r\n");
}

TEST_CASE("scripts, transactions, and a reply that has begun are not repeated") {
  Rig rig(1, [](config::Config& config) { config.l1.max_value = 8; });
  TestClient client(rig);
  client.send("EVAL_RO x 0");
  rig.scripts().die("gone");
  rig.run();
  CHECK(client.read() == away("gone"));
  TestClient half(rig);
  half.send("GET a");
  rig.link().reply(":-1\r\n");
  rig.link().piece("$1000\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxx");
  rig.run();
  lose(rig);
  half.read();
  CHECK(half.closed());
  TestClient pinned(rig);
  pinned.send("WATCH a\r\nGET a");
  rig.own().frame("+OK\r\n");
  rig.own().die("gone");
  rig.run();
  CHECK(pinned.read() == "+OK\r\n" + away("gone"));
  CHECK(sum(rig, Counter::l2_retries) == 0);
}

TEST_CASE("who waits for a lost flight asks on its own; what comes fills nothing") {
  Rig rig(2);
  TestClient one(rig, 0);
  TestClient two(rig, 0);
  TestClient abroad(rig, 1);
  one.send("GET a");
  two.send("GET a");
  abroad.send("GET a\r\nGET b");
  lose(rig);
  CHECK(rig.pending() == "GET a, GET a");
  CHECK(rig.pending(1) == "GET a, PTTL b, GET b");
  rig.reply("$1\r\n1\r\n");
  CHECK(one.read() == "$1\r\n1\r\n");
  rig.reply("$1\r\n2\r\n");
  CHECK(two.read() == "$1\r\n2\r\n");
  rig.reply("$1\r\n3\r\n", 1);
  CHECK(abroad.read() == "$1\r\n3\r\n");
  one.send("GET a");
  CHECK(rig.pending() == "PTTL a, GET a");
  rig.fill("$1\r\n4\r\n");
  CHECK(one.read() == "$1\r\n4\r\n");
}

TEST_CASE("the order is the session's own, whoever's flights its reads were") {
  Rig rig;
  TestClient one(rig);
  TestClient two(rig);
  one.send("GET a");
  two.send("GET z\r\nGET a");
  CHECK(rig.pending() == "PTTL a, GET a, PTTL z, GET z");
  lose(rig);
  CHECK(rig.pending() == "GET a, GET z, GET a");
}

TEST_CASE("the session goes on when what it had lost is sent again, and not before") {
  Rig rig;
  TestClient client(rig);
  client.send("GET a");
  rig.threads[0]->links.away = true;
  lose(rig);
  client.send("SET a 1\r\nGET b");
  CHECK(client.read().empty());
  rig.threads[0]->links.away = false;
  while (rig.link().state() == l2::Link::State::dead) {
    rig.run();
  }
  CHECK(rig.pending() == "GET a, SET a 1, PTTL b, GET b");
  rig.reply("$1\r\n0\r\n");
  CHECK(client.read() == "$1\r\n0\r\n");
}

TEST_CASE("a read waits for a link as long as it may, then its client gets the error") {
  Rig rig(
      1, [](config::Config& config) { config.upstream.retry_wait = std::chrono::milliseconds(0); });
  TestClient client(rig);
  client.send("GET a\r\nMGET a b");
  rig.threads[0]->links.away = true;
  lose(rig);
  CHECK(client.read() == away("it is away") + away("it is away"));
  client.send("PING");
  CHECK(client.read() == "+PONG\r\n");
  CHECK(sum(rig, Counter::l2_retries) == 0);
  CHECK(sum(rig, Counter::l2_errors) == 2);
}

TEST_CASE("a client that leaves waits for nothing") {
  Rig rig;
  {
    TestClient client(rig);
    client.send("GET a");
    rig.threads[0]->links.away = true;
    lose(rig);
    rig.threads[0]->worker->close_all();
    rig.run();
  }
  CHECK(rig.threads[0]->worker->sessions() == 0);
}

TEST_CASE("beyond the budget, and without one, clients get the error at once") {
  const std::uint64_t floor = RetryBudget::kFloor;
  for (const std::uint32_t percent : {20U, 0U}) {
    Rig rig(1, [&](config::Config& config) { config.upstream.retry_percent = percent; });
    TestClient client(rig);
    std::string lines = "STRLEN k";
    for (std::uint64_t i = 1; i < 2 * floor; i++) {
      lines += "\r\nSTRLEN k" + std::to_string(i);
    }
    client.send(lines);
    const std::uint64_t sent = sum(rig, Counter::l2_requests);
    CHECK(sent == 2 * floor);
    lose(rig);
    const std::uint64_t again = percent == 0 ? 0 : floor + sent * percent / 100;
    CHECK(sum(rig, Counter::l2_retries) == again);
    CHECK(sum(rig, Counter::l2_retries_refused) == (percent == 0 ? 0 : 2 * floor - again));
    CHECK(sum(rig, Counter::l2_errors) == 2 * floor - again);
  }
}
