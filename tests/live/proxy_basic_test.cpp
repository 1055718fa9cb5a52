// A client that talks to tiercache must not be able to tell it from Redis.
#include "client.hpp"
#include "proxy_fixture.hpp"
#include "redis_server.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache::testing;
using namespace std::chrono_literals;

TEST_CASE("strings, in both protocol versions, and their nils") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  CHECK(client.call("SET", "k", "v").text == "OK");
  for (int round = 0; round < 3; round++) {
    CHECK(client.call("GET", "k").text == "v");
    CHECK(client.call("GET", "missing").is_nil());
    CHECK(client.last_raw() == "$-1\r\n");
    CHECK(client.call("STRLEN", "k").integer == 1);
    CHECK(client.call("EXISTS", "k").integer == 1);
    CHECK(client.call("EXISTS", "missing").integer == 0);
    CHECK(client.call("TTL", "k").integer == -1);
    CHECK(client.call("PTTL", "missing").integer == -2);
  }
  CHECK(client.call("HELLO", "3").find("proto")->integer == 3);
  for (int round = 0; round < 3; round++) {
    CHECK(client.call("GET", "k").text == "v");
    CHECK(client.call("GET", "missing").is_nil());
    CHECK(client.last_raw() == "_\r\n");
    CHECK(client.call("MGET", "k", "missing", "k").to_string() == R"(["v", (nil), "v"])");
  }
  CHECK(client.call("HGETALL", "missing").type == Value::Type::map);
}

TEST_CASE("the second read is a hit, and a write makes the next one a miss") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  client.call("SET", "k", "one");
  client.settle();
  CHECK(ProxyFixture::eventually([&] {
    CHECK(client.call("GET", "k").text == "one");
    return proxy.hits() > 0;
  }));
  const auto before = proxy.hits();
  CHECK(client.call("GET", "k").text == "one");
  CHECK(client.call("STRLEN", "k").integer == 3);
  CHECK(client.call("EXISTS", "k").integer == 1);
  CHECK(proxy.hits() == before + 3);
  client.call("APPEND", "k", "two");
  CHECK(client.call("GET", "k").text == "onetwo");
  CHECK(proxy.hits() == before + 3);
}

TEST_CASE("a write made directly to Redis is seen") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  Client direct(server.port());
  direct.call("SET", "k", "0");
  for (int i = 1; i < 20; i++) {
    client.call("GET", "k");
    client.call("GET", "k");
    const std::string value = std::to_string(i);
    direct.call("SET", "k", value);
    CHECK(ProxyFixture::eventually([&] { return client.call("GET", "k").text == value; }));
  }
  CHECK(proxy.hits() > 0);
}

TEST_CASE("a pipeline of hits, misses and writes is answered in order") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  for (int i = 0; i < 50; i++) {
    client.call("SET", "k" + std::to_string(i), "old");
  }
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 50; i++) {
      const std::string key = "k" + std::to_string(i);
      client.send("GET", key);
      client.send("SET", key, std::to_string(round));
      client.send("GET", key);
      client.send("INCR", key);
      client.send("GET", key);
      client.send("GET", key);
      client.send("PING");
      client.send("MGET", key, "absent", key);
    }
    for (int i = 0; i < 50; i++) {
      const std::string fresh = std::to_string(round);
      const std::string next = std::to_string(round + 1);
      REQUIRE(client.read().text == (round == 0 ? "old" : fresh));
      REQUIRE(client.read().text == "OK");
      REQUIRE(client.read().text == fresh);
      REQUIRE(client.read().integer == round + 1);
      REQUIRE(client.read().text == next);
      REQUIRE(client.read().text == next);
      REQUIRE(client.read().text == "PONG");
      const Value all = client.read();
      REQUIRE(all.items.size() == 3);
      REQUIRE(all.items[0].text == next);
      REQUIRE(all.items[1].is_nil());
    }
  }
}

TEST_CASE("MGET from L1 keeps wrong types, missing keys and duplicates apart") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  client.call("SET", "s", "v");
  client.call("RPUSH", "l", "x");
  for (int round = 0; round < 4; round++) {
    CHECK(client.call("MGET", "s", "l", "m", "s").to_string() == R"(["v", (nil), (nil), "v"])");
    CHECK(client.call("GET", "l").is_error());
    CHECK(client.call("GET", "m").is_nil());
    CHECK(client.call("EXISTS", "s", "l", "m", "s").integer == 3);
  }
  CHECK(proxy.hits() > 0);
}

TEST_CASE("values of any size") {
  RedisServer server;
  ProxyFixture::Options options;
  options.tune = [](tiercache::config::Config& config) {
    config.l1.max_value = 64 * 1024;
  };
  ProxyFixture proxy(server.port(), options);
  Client client(proxy.port());
  for (const std::size_t size : {0UL, 1UL, 4095UL, 65536UL, 65537UL, 3000000UL, 20000000UL}) {
    const std::string value(size, static_cast<char>('a' + size % 26));
    CHECK(client.call("SET", "k", value).text == "OK");
    for (int i = 0; i < 3; i++) {
      CHECK(client.call("GET", "k").text == value);
    }
    client.send("GET", "k");
    client.send("STRLEN", "k");
    client.send("MGET", "k", "k");
    CHECK(client.read().text == value);
    CHECK(client.read().integer == static_cast<std::int64_t>(size));
    CHECK(client.read().items.at(1).text == value);
  }
}

TEST_CASE("SELECT, HELLO, RESET and CLIENT speak of the client's own connection") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  Client other(proxy.port());
  client.call("SET", "k", "in 0");
  CHECK(client.call("SELECT", "3").text == "OK");
  CHECK(client.call("GET", "k").is_nil());
  client.call("SET", "k", "in 3");
  CHECK(client.call("GET", "k").text == "in 3");
  CHECK(other.call("GET", "k").text == "in 0");
  for (int i = 0; i < 5; i++) {  // refused, or within the back-off of a refusal
    CHECK(client.call("SELECT", "99").text == "ERR DB index is out of range");
  }
  CHECK(client.call("SELECT", "-1").text == "ERR DB index is out of range");
  CHECK(client.call("SELECT", "x").text == "ERR value is not an integer or out of range");
  CHECK(client.call("GET", "k").text == "in 3");
  client.send("SELECT", "0");
  client.send("GET", "k");
  client.send("SELECT", "3");
  client.send("GET", "k");
  CHECK(client.read().text == "OK");
  CHECK(client.read().text == "in 0");
  CHECK(client.read().text == "OK");
  CHECK(client.read().text == "in 3");

  CHECK(client.call("CLIENT", "SETNAME", "me").text == "OK");
  CHECK(client.call("CLIENT", "GETNAME").text == "me");
  CHECK(client.call("CLIENT", "ID").integer != other.call("CLIENT", "ID").integer);
  CHECK(client.call("HELLO", "4").text == "NOPROTO unsupported protocol version");
  CHECK(client.call("HELLO", "3", "SETNAME", "you").find("server")->text == "redis");
  CHECK(client.call("CLIENT", "GETNAME").text == "you");
  CHECK(client.call("RESET").text == "RESET");
  CHECK(client.call("GET", "k").text == "in 0");
  CHECK(client.call("CLIENT", "GETNAME").is_nil());
  CHECK(client.last_raw() == "$-1\r\n");
  CHECK(client.call("QUIT").text == "OK");
  CHECK(client.wait_closed(60s));
}

TEST_CASE("errors are Redis's own, or say that they are not") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  CHECK(client.call("NOSUCH", "a").text.starts_with("ERR unknown command 'NOSUCH'"));
  CHECK(client.call("GET").text == "ERR wrong number of arguments for 'get' command");
  CHECK(client.call("SHUTDOWN", "NOSAVE").text ==
        "ERR unknown command 'SHUTDOWN', with args beginning with: 'NOSAVE' ");
  client.call("RPUSH", "l", "x");
  CHECK(client.call("GET", "l").text.starts_with("WRONGTYPE"));
  client.send("PING");
  client.send_raw("*1\r\n:5\r\n");
  CHECK(client.read().text == "PONG");
  CHECK(client.read().text.starts_with("ERR Protocol error"));
  CHECK(client.wait_closed(60s));
}

TEST_CASE("a script's writes are seen by the next read of any client") {
  RedisServer server;
  ProxyFixture::Options options;
  options.workers = 2;
  ProxyFixture proxy(server.port(), options);
  Client one(proxy.port());
  Client two(proxy.port());
  one.call("SET", "k", "0");
  for (int i = 1; i < 50; i++) {
    const std::string value = std::to_string(i);
    one.call("GET", "k");
    two.call("GET", "k");
    one.call("EVAL", "redis.call('set', 'k', ARGV[1]) return 1", "0", value);
    REQUIRE(two.call("GET", "k").text == value);
    REQUIRE(one.call("GET", "k").text == value);
  }
}

TEST_CASE("flushes empty L1 before they are answered") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  for (const char* flush : {"FLUSHALL", "FLUSHDB"}) {
    client.call("SET", "k", "v");
    client.call("GET", "k");
    CHECK(client.call("GET", "k").text == "v");
    client.send(flush);
    client.send("GET", "k");
    CHECK(client.read().text == "OK");
    CHECK(client.read().is_nil());
  }
}

TEST_CASE("Redis away: an error for each request, and service again when it is back") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client client(proxy.port());
  client.call("SET", "k", "v");
  server.kill9();
  CHECK(ProxyFixture::eventually([&] {
    const Value value = client.call("SET", "k", "w");
    return value.is_error() && value.text.find("is unavailable") != std::string::npos;
  }));
  CHECK(client.call("PING").text == "PONG");
  for (int i = 0; i < 10; i++) {
    client.send("INCR", "n");
  }
  for (int i = 0; i < 10; i++) {
    CHECK(client.read().is_error());
  }
  server.start();
  CHECK(ProxyFixture::eventually([&] { return client.call("SET", "k", "w").text == "OK"; }));
}

TEST_CASE("a drain answers what is in flight and closes") {
  RedisServer server;
  ProxyFixture proxy(server.port());
  Client busy(proxy.port());
  Client idle(proxy.port());
  Client blocked(proxy.port());
  busy.call("SET", "k", "v");
  idle.call("PING");
  const auto taken = [&] {
    return proxy.sum(tiercache::stats::Counter::commands);
  };
  const auto blocking = taken();
  blocked.send("BLPOP", "list", "0");
  REQUIRE(ProxyFixture::eventually([&] { return taken() == blocking + 1; }));
  server.pause();
  // What the proxy has not read when the drain begins it does not answer.
  busy.send("INCR", "n");
  busy.send("GET", "n");
  REQUIRE(ProxyFixture::eventually([&] { return taken() == blocking + 3; }));
  proxy.begin_drain();
  CHECK(idle.wait_closed(60s));
  server.resume();
  CHECK(busy.read().integer == 1);
  CHECK(busy.read().text == "1");
  CHECK(busy.wait_closed(60s));
  CHECK(blocked.wait_closed(60s));
  CHECK(ProxyFixture::eventually([&] { return proxy.sessions() == 0; }));
}
