// State that lives on a connection: the client gets a connection of its own, and the shared ones
// back when the state is gone.
#include "client.hpp"
#include "proxy_fixture.hpp"
#include "redis_server.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace tiercache::testing;
using namespace std::chrono_literals;

namespace {

// Whether the second of two reads is a hit.
bool hits_l1(Client& client, ProxyFixture& proxy) {
  client.call("GET", "probe");
  const auto before = proxy.hits();
  client.call("GET", "probe");
  return proxy.hits() > before;
}

// Whether the client reads L1. Fills may be refused for a while: events of earlier writes share a
// stripe with the key.
bool reads_l1(Client& client, ProxyFixture& proxy) {
  return ProxyFixture::eventually([&] { return hits_l1(client, proxy); });
}

bool never_reads_l1(Client& client, ProxyFixture& proxy) {
  constexpr int kTries = 20;
  int hits = 0;
  for (int i = 0; i < kTries; i++) {
    hits += hits_l1(client, proxy) ? 1 : 0;
  }
  return hits == 0;
}

}  // namespace

TEST_CASE("MULTI and EXEC, and back to L1") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  client.call("SET", "k", "1");
  client.call("GET", "k");
  for (int round = 0; round < 5; round++) {
    CHECK(client.call("MULTI").text == "OK");
    CHECK(client.call("INCR", "k").text == "QUEUED");
    CHECK(client.call("GET", "k").text == "QUEUED");
    const Value all = client.call("EXEC");
    REQUIRE(all.items.size() == 2);
    CHECK(all.items[0].integer == round + 2);
    CHECK(client.call("GET", "k").text == std::to_string(round + 2));
    CHECK(reads_l1(client, proxy));
  }
  client.send("MULTI");
  client.send("SET", "k", "a");
  client.send("DISCARD");
  client.send("GET", "k");
  CHECK(client.read().text == "OK");
  CHECK(client.read().text == "QUEUED");
  CHECK(client.read().text == "OK");
  CHECK(client.read().text == "6");
  CHECK(client.call("EXEC").text == "ERR EXEC without MULTI");
  CHECK(client.call("DISCARD").text == "ERR DISCARD without MULTI");
  CHECK(client.call("MULTI").text == "OK");
  CHECK(client.call("NOSUCH").is_error());
  CHECK(client.call("EXEC").text.starts_with("EXECABORT"));
  CHECK(reads_l1(client, proxy));
}

TEST_CASE("a write in a transaction is seen by the next read of another client") {
  RedisServer server;
  ProxyFixture::Options options;
  options.workers = 2;
  ProxyFixture proxy(server.port(), options);
  Client one(proxy.port());
  Client two(proxy.port());
  for (int i = 0; i < 30; i++) {
    const std::string value = std::to_string(i);
    two.call("GET", "k");
    two.call("GET", "k");
    one.send("MULTI");
    one.send("SET", "k", value);
    one.send("EVAL", "redis.call('set', 'other', ARGV[1])", "0", value);
    one.send("EXEC");
    for (int reply = 0; reply < 4; reply++) {
      one.read();
    }
    REQUIRE(two.call("GET", "k").text == value);
    REQUIRE(two.call("GET", "other").text == value);
  }
}

TEST_CASE("WATCH sees a conflicting write, and reads past L1") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  Client other(proxy.port());
  client.call("SET", "k", "1");
  CHECK(client.call("GET", "k").text == "1");
  CHECK(client.call("WATCH", "k").text == "OK");
  CHECK(never_reads_l1(client, proxy));
  other.call("SET", "k", "2");
  client.call("MULTI");
  client.call("SET", "k", "3");
  CHECK(client.call("EXEC").is_nil());
  CHECK(client.call("GET", "k").text == "2");
  CHECK(reads_l1(client, proxy));
  client.call("WATCH", "k");
  CHECK(client.call("UNWATCH").text == "OK");
  CHECK(reads_l1(client, proxy));
}

TEST_CASE("blocking pops wait for themselves alone") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client blocked(proxy.port());
  Client other(proxy.port());
  blocked.send("BLPOP", "list", "0");
  blocked.send("PING");
  CHECK_FALSE(blocked.try_read(30ms).has_value());
  CHECK(other.call("GET", "k").is_nil());
  other.call("RPUSH", "list", "a");
  CHECK(blocked.read().to_string() == R"(["list", "a"])");
  CHECK(blocked.read().text == "PONG");
  CHECK(reads_l1(blocked, proxy));
  CHECK(blocked.call("BLPOP", "list", "0.01").is_nil());
  CHECK(blocked.call("WAIT", "0", "10").integer == 0);
  CHECK(reads_l1(blocked, proxy));
}

TEST_CASE("a client that leaves while it blocks takes nothing from the list") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client direct(server.port());
  {
    Client blocked(proxy.port());
    blocked.send("BLPOP", "list", "0");
    CHECK(ProxyFixture::eventually([&] {
      return direct.call("INFO", "clients").text.find("blocked_clients:1") != std::string::npos;
    }));
  }
  CHECK(ProxyFixture::eventually([&] {
    return direct.call("INFO", "clients").text.find("blocked_clients:0") != std::string::npos;
  }));
  CHECK(ProxyFixture::eventually([&] { return proxy.sessions() == 0; }));
}

TEST_CASE("subscriptions in RESP2, and back to L1") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  Client other(proxy.port());
  client.send("SUBSCRIBE", "a", "b");
  CHECK(client.read().to_string() == R"(["subscribe", "a", 1])");
  CHECK(client.read().to_string() == R"(["subscribe", "b", 2])");
  client.send("PSUBSCRIBE", "p*");
  CHECK(client.read().to_string() == R"(["psubscribe", "p*", 3])");
  CHECK(other.call("PUBLISH", "a", "hi").integer == 1);
  CHECK(client.read().to_string() == R"(["message", "a", "hi"])");
  CHECK(other.call("PUBLISH", "pq", "ho").integer == 1);
  CHECK(client.read().to_string() == R"(["pmessage", "p*", "pq", "ho"])");
  CHECK(client.call("GET", "k").is_error());
  CHECK(client.call("PING").to_string() == R"(["pong", ""])");
  // Redis refuses MULTI, and so what follows it, by its name.
  client.send("SUBSCRIBE", "a");
  client.send("MULTI");
  client.send("CLIENT", "GETNAME");
  CHECK(client.read().to_string() == R"(["subscribe", "a", 3])");
  CHECK(client.read().text.starts_with("ERR Can't execute 'multi'"));
  CHECK(client.read().text.starts_with("ERR Can't execute 'client|getname'"));
  client.send("UNSUBSCRIBE");
  client.read();
  CHECK(client.read().items.at(2).integer == 1);
  client.send("PUNSUBSCRIBE");
  client.send("GET", "k");
  CHECK(client.read().to_string() == R"(["punsubscribe", "p*", 0])");
  CHECK(client.read().is_nil());
  CHECK(reads_l1(client, proxy));
  CHECK(client.call("UNSUBSCRIBE").to_string() == R"(["unsubscribe", (nil), 0])");
  CHECK(reads_l1(client, proxy));
}

TEST_CASE("subscriptions in RESP3: commands and messages on one connection") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  Client other(proxy.port());
  client.call("HELLO", "3");
  client.send("SUBSCRIBE", "a");
  CHECK(client.read().to_string() == R"(>["subscribe", "a", 1])");
  client.call("SET", "k", "v");
  CHECK(client.call("GET", "k").text == "v");
  other.call("PUBLISH", "a", "hi");
  CHECK(client.read().to_string() == R"(>["message", "a", "hi"])");
  client.send("UNSUBSCRIBE", "a");
  CHECK(client.read().to_string() == R"(>["unsubscribe", "a", 0])");
  CHECK(reads_l1(client, proxy));
}

TEST_CASE("client side caching works through the proxy") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  Client other(proxy.port());
  client.call("HELLO", "3");
  CHECK(client.call("CLIENT", "TRACKING", "ON").text == "OK");
  client.call("GET", "k");
  other.call("SET", "k", "v");
  CHECK(client.read().to_string() == R"(>["invalidate", ["k"]])");
  CHECK(client.call("CLIENT", "TRACKING", "OFF").text == "OK");
  CHECK(reads_l1(client, proxy));
}

TEST_CASE("MONITOR shows lines until RESET") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  Client direct(server.port());
  CHECK(client.call("MONITOR").text == "OK");
  direct.call("SET", "monitored", "1");
  std::string line;
  do {
    line = client.read().text;
  } while (line.find("monitored") == std::string::npos);
  client.send("RESET");
  do {
    line = client.read().text;
  } while (line != "RESET");
  CHECK(client.call("GET", "monitored").text == "1");
  CHECK(reads_l1(client, proxy));
}

TEST_CASE("CLIENT REPLY OFF, ON and SKIP") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  client.send("CLIENT", "REPLY", "OFF");
  client.send("SET", "k", "1");
  client.send("GET", "k");
  client.send("CLIENT", "REPLY", "ON");
  CHECK(client.read().text == "OK");
  CHECK(client.call("GET", "k").text == "1");
  CHECK(reads_l1(client, proxy));
  client.send("CLIENT", "REPLY", "SKIP");
  client.send("SET", "k", "2");
  client.send("GET", "k");
  CHECK(client.read().text == "2");
  CHECK(reads_l1(client, proxy));
  // What it skips is the proxy's own to answer, and an earlier answer is still on its way.
  client.call("WATCH", "k");
  client.send_raw(
      "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
      "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n"
      "*3\r\n$6\r\nCLIENT\r\n$5\r\nPAUSE\r\n$1\r\n1\r\n"
      "*2\r\n$4\r\nECHO\r\n$4\r\nnext\r\n");
  CHECK(client.read().text == "2");
  CHECK(client.read().text == "next");
}

TEST_CASE("SELECT within a transaction is followed") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  Client other(proxy.port());
  other.call("SELECT", "2");
  other.call("GET", "k");
  client.send("MULTI");
  client.send("SELECT", "2");
  client.send("SET", "k", "v");
  client.send("SELECT", "99");
  client.send("EXEC");
  client.send("GET", "k");
  for (int i = 0; i < 5; i++) {
    client.read();
  }
  CHECK(client.read().text == "v");
  CHECK(other.call("GET", "k").text == "v");
  client.call("SET", "k", "w");
  CHECK(other.call("GET", "k").text == "w");
}

TEST_CASE("AUTH stays with the connection") {
  RedisServer server;
  Client direct(server.port());
  direct.call("ACL", "SETUSER", "alice", "on", ">secret", "~a:*", "+@all");
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  CHECK(client.call("AUTH", "alice", "wrong").text.starts_with("WRONGPASS"));
  CHECK(client.call("AUTH", "alice", "secret").text == "OK");
  CHECK(client.call("ACL", "WHOAMI").text == "alice");
  CHECK(client.call("GET", "b").text.starts_with("NOPERM"));
  CHECK(client.call("GET", "a:1").is_nil());
  CHECK(client.call("RESET").text == "RESET");
  CHECK(client.call("ACL", "WHOAMI").text == "default");
  CHECK(client.call("HELLO", "3", "AUTH", "alice", "secret").find("proto")->integer == 3);
  CHECK(client.call("ACL", "WHOAMI").text == "alice");
}

TEST_CASE("a transaction whose connection is lost takes the client's with it") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  Client direct(server.port());
  client.call("MULTI");
  client.call("SET", "k", "v");
  direct.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  CHECK(client.wait_closed(60s));
}
