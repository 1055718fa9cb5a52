// Scripts, which may keep Redis busy until somebody kills them.
#include "client.hpp"
#include "proxy_fixture.hpp"
#include "redis_server.hpp"

#include <vector>

#include <doctest/doctest.h>

using namespace tiercache::testing;

TEST_CASE("a script that does not end: others hear that Redis is busy, and one of them kills it") {
  RedisServer server;
  Client(server.port()).call("CONFIG", "SET", "busy-reply-threshold", "1");
  ProxyFixture::Options options;
  options.workers = 2;
  ProxyFixture proxy(server.port(), options);
  proxy.wait_live();
  // On each thread the one who runs the script and others; some have to wait for it.
  for (const char* kill : {"SCRIPT", "FUNCTION"}) {
    std::vector<Client> others;
    for (int i = 0; i < 4; i++) {
      others.emplace_back(proxy.port());
      CHECK(others.back().call("SET", "k", "1").text == "OK");
      CHECK(others.back().call("MULTI").text == "OK");
      CHECK(others.back().call("EXEC").items.empty());
    }
    Client busy(proxy.port());
    if (kill == std::string("FUNCTION")) {
      busy.call("FUNCTION", "LOAD", "REPLACE",
                "#!lua name=l\nredis.register_function('f', function() while true do end end)");
      busy.send("FCALL", "f", "0");
    } else {
      busy.send("EVAL", "while true do end", "0");
    }
    busy.send("PING");
    for (Client& other : others) {
      for (const char* command : {"PING", "DBSIZE"}) {
        CHECK(
            ProxyFixture::eventually([&] { return other.call(command).text.starts_with("BUSY"); }));
      }
      CHECK(other.call("GET", "k").text.starts_with("BUSY"));
    }
    CHECK(others[0].call(kill, "KILL").text == "OK");
    CHECK(busy.read().text.find("killed by user") != std::string::npos);
    CHECK(busy.read().text == "PONG");
    for (Client& other : others) {
      CHECK(ProxyFixture::eventually([&] { return other.call("GET", "k").text == "1"; }));
      CHECK(other.call("PING").text == "PONG");
    }
    proxy.wait_live();
  }
}
