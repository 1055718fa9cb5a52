// The two tools that the live tests stand on: a private redis-server and a small client.
#include "client.hpp"
#include "redis_server.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using tiercache::testing::Client;
using tiercache::testing::ClientError;
using tiercache::testing::RedisServer;
using tiercache::testing::Value;
using Type = Value::Type;

TEST_CASE("a private server starts, answers, and leaves nothing behind") {
  std::filesystem::path directory;
  std::uint16_t port = 0;
  {
    RedisServer server({"--maxmemory", "7mb"});
    directory = server.directory();
    port = server.port();
    Client client(port);
    CHECK(client.call("SET", "k", "v").text == "OK");
    CHECK(client.call("GET", "k").text == "v");
    CHECK(client.call("CONFIG", "GET", "maxmemory").items.at(1).text == "7340032");
    CHECK(client.call("CONFIG", "GET", "dir").items.at(1).text == directory.string());
    CHECK(std::filesystem::exists(directory));
  }
  CHECK_FALSE(std::filesystem::exists(directory));
  CHECK_THROWS_AS(Client(port, 200ms), ClientError);
}

TEST_CASE("two servers run side by side") {
  RedisServer first;
  RedisServer second;
  CHECK(first.port() != second.port());
  Client(first.port()).call("SET", "k", "1");
  CHECK(Client(second.port()).call("GET", "k").is_nil());
}

TEST_CASE("a server can be killed, started again, stopped, paused") {
  RedisServer server({"--appendonly", "yes", "--appendfsync", "always"});
  Client client(server.port());
  client.call("SET", "k", "v");
  server.kill9();
  CHECK_FALSE(server.running());
  CHECK(client.wait_closed(60s));
  server.start();
  Client again(server.port());
  CHECK(again.call("GET", "k").text == "v");

  server.pause();
  again.send("PING");
  CHECK_FALSE(again.try_read(50ms).has_value());
  CHECK(server.running());
  server.resume();
  CHECK(again.read().text == "PONG");

  server.stop();
  CHECK_FALSE(server.running());
  CHECK_THROWS_AS(again.read(), ClientError);
}

TEST_CASE("a server that cannot start says why") {
  try {
    RedisServer server({"--no-such-option", "1"});
    FAIL("it started");
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()).find("no-such-option") != std::string::npos);
  }
}

TEST_CASE("the client reads every RESP2 and RESP3 type") {
  RedisServer server;
  Client client(server.port());
  CHECK(client.call("NOSUCH").is_error());
  CHECK(client.call("GET", "missing") == Value{});
  CHECK(client.call("INCR", "n").integer == 1);
  CHECK(client.call("DEBUG", "PROTOCOL", "attrib").to_string() ==
        R"("Some real reply following the attribute")");

  const Value hello = client.call("HELLO", "3");
  REQUIRE(hello.type == Type::map);
  REQUIRE(hello.find("proto") != nullptr);
  CHECK(hello.find("proto")->integer == 3);
  const auto protocol = [&](const char* what) {
    return client.call("DEBUG", "PROTOCOL", what);
  };
  CHECK(protocol("string") == Value{Type::bulk, "Hello World"});
  CHECK(protocol("integer").integer == 12345);
  CHECK(protocol("double") == Value{Type::real, "3.141"});
  CHECK(protocol("null").is_nil());
  CHECK(protocol("array").to_string() == "[0, 1, 2]");
  CHECK(protocol("set").to_string() == "~[0, 1, 2]");
  CHECK(protocol("map").to_string() == "%[0, (false), 1, (true), 2, (false)]");
  CHECK(protocol("attrib").text == "Some real reply following the attribute");
  CHECK(client.last_raw().starts_with("|1\r\n"));
  CHECK(protocol("push").type == Type::push);
  CHECK(client.read().is_error() == false);  // the reply that goes with the push
  CHECK(protocol("verbatim") == Value{Type::bulk, "This is a verbatim\nstring"});
  CHECK(protocol("bignum") == Value{Type::big, "1234567999999999999999999999999999999"});
  CHECK(protocol("true").integer == 1);
  CHECK(protocol("true").type == Type::boolean);
}

TEST_CASE("pipelined replies come in order and raw bytes are kept") {
  RedisServer server;
  Client client(server.port());
  const std::string large(3 << 20, 'x');
  client.send("SET", "large", large);
  for (int i = 0; i < 1000; ++i) {
    client.send("ECHO", std::to_string(i));
  }
  client.send("GET", "large");
  client.send_raw("PING\r\n");
  CHECK(client.read().text == "OK");
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(client.read().text == std::to_string(i));
  }
  CHECK(client.read().text == large);
  CHECK(client.last_raw().size() == large.size() + std::string("$3145728\r\n\r\n").size());
  CHECK(client.read().text == "PONG");
  CHECK(client.last_raw() == "+PONG\r\n");
}

TEST_CASE("a whole reply is never kept back by a timeout, half a frame is never lost") {
  RedisServer server;
  Client client(server.port());
  CHECK_FALSE(client.try_read(0ms).has_value());
  client.send("BLPOP", "list", "0");
  CHECK_FALSE(client.try_read(20ms).has_value());
  Client(server.port()).call("RPUSH", "list", "a");
  CHECK(client.read().to_string() == R"(["list", "a"])");
  client.send_raw("*2\r\n$4\r\nEC");
  client.send_raw("HO\r\n$1\r\nz\r\n");
  CHECK(client.read().text == "z");
  client.send_raw("*1\r\n$zz\r\n");
  CHECK(client.read().is_error());
  CHECK(client.wait_closed(60s));
}
