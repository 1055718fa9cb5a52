// The program's start, its end, and what it does when Redis goes and comes back.
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <csignal>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

namespace tiercache::testing {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

std::string port_text(std::uint16_t port) {
  return std::to_string(port);
}

bool listens(std::uint16_t port) {
  try {
    Client client(port, milliseconds(500));
    return true;
  } catch (const ClientError&) {
    return false;
  }
}

}  // namespace

TEST_CASE("a configuration that is wrong ends it with a message, before it listens") {
  RedisServer redis;  // for its directory
  const std::string file = (redis.directory() / "bad.toml").string();
  const std::uint16_t port = free_port();
  std::ofstream(file) << "[listen]\nport = " << port << "\n[l1]\nmax_memroy = \"1gb\"\n";
  for (const bool check : {true, false}) {
    CAPTURE(check);
    std::vector<std::string> args{"--config", file};
    if (check) {
      args.emplace_back("--check-config");
    }
    const ProgramRun run = run_tiercache(args);
    CHECK(run.status == 1);
    CHECK(run.err.find(file + ":4:1: ") != std::string::npos);
    CHECK(run.err.find("l1.max_memory") != std::string::npos);
    CHECK(run.out.empty());
    CHECK_FALSE(listens(port));
  }
  CHECK(run_tiercache({"--config", file + ".not"}).status == 1);
  CHECK(run_tiercache({"--set", "l1.shards=many"}).status == 1);
}

TEST_CASE("a command line that makes no sense ends it with status 2") {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"--confg", "x"}, {"--set"}, {"file.toml"}, {"--config"}}) {
    const ProgramRun run = run_tiercache(args);
    CHECK(run.status == 2);
    CHECK(run.err.find("--help") != std::string::npos);
  }
}

TEST_CASE("what asks a question is answered on stdout with status 0") {
  CHECK(run_tiercache({"--version"}).out.starts_with("tiercache 0."));
  CHECK(run_tiercache({"--help"}).out.find("--set KEY=VALUE") != std::string::npos);
  CHECK(run_tiercache({"--check-config"}).status == 0);
  const ProgramRun printed =
      run_tiercache({"--print-config", "--set=l1.shards=8", "--set=upstream.password=secret"});
  CHECK(printed.status == 0);
  CHECK(printed.out.find("shards = 8") != std::string::npos);
  CHECK(printed.out.find("secret") == std::string::npos);
}

TEST_CASE("a port that is taken ends it with status 1") {
  RedisServer redis;
  const ProgramRun run = run_tiercache({"--set", "listen.port=" + port_text(redis.port())});
  CHECK(run.status == 1);
  CHECK(run.err.find("Address already in use") != std::string::npos);
}

TEST_CASE("the password is read from its file") {
  RedisServer redis({"--requirepass", "open sesame"});
  const std::string file = (redis.directory() / "password").string();
  std::ofstream(file) << "open sesame\nnot this\n";
  TiercacheProcess proxy(redis.port(), {"upstream.password_file=" + file, "listen.auth=proxy"});
  proxy.wait_live();
  CHECK(Client(proxy.port()).call("SET", "a", "1").text == "OK");
}

TEST_CASE("Redis away at the start: errors that say so, the two sections, and then it works") {
  RedisServer redis;
  redis.stop();
  TiercacheProcess proxy(redis.port(), {"upstream.reconnect_max_ms=200"});
  Client client(proxy.port());
  const Value refused = client.call("GET", "a");
  CHECK(refused.is_error());
  CHECK(refused.text.find("upstream") != std::string::npos);
  CHECK(client.call("PING").text == "PONG");
  const std::string info = client.call("INFO").text;
  CHECK(info.starts_with("# Tiercache\r\n"));
  CHECK(info.find("\r\nupstream_status:down\r\n") != std::string::npos);
  CHECK(info.find("# Server") == std::string::npos);
  CHECK(client.call("INFO", "server").is_error());
  CHECK(client.call("CACHE", "STATS").find("event_link_state")->text == "down");
  redis.start();
  proxy.wait_live();
  CHECK(eventually([&] { return client.call("SET", "a", "1").text == "OK"; }));
  CHECK(client.call("GET", "a").text == "1");
}

TEST_CASE("a Redis that is killed and comes back empty is served as it is then") {
  RedisServer redis;
  TiercacheProcess proxy(redis.port(), {"upstream.reconnect_max_ms=200"});
  proxy.wait_live();
  Client client(proxy.port());
  client.call("SET", "a", "old");
  REQUIRE(eventually([&] {
    client.call("GET", "a");
    return proxy.stat("l1_hits") > 0;
  }));
  redis.kill9();
  CHECK(eventually([&] { return client.call("GET", "a").is_error(); }));
  redis.start();
  CHECK(eventually([&] { return client.call("GET", "a").is_nil(); }));
  proxy.wait_live();
  CHECK(client.call("GET", "a").is_nil());
  CHECK(client.call("SET", "a", "new").text == "OK");
  CHECK(client.call("GET", "a").text == "new");
}

TEST_CASE("SIGTERM: no new clients, what is in flight is answered, status 0") {
  RedisServer redis;
  TiercacheProcess proxy(redis.port());
  proxy.wait_live();
  Client client(proxy.port());
  client.call("SET", "a", "1");
  redis.pause();
  client.send("GETRANGE", "a", "0", "-1");
  // It has been sent on when it has been counted.
  const std::int64_t sent = 2;
  REQUIRE(eventually([&] { return proxy.stat("l2_requests") >= sent; }));
  proxy.signal(SIGTERM);
  CHECK(eventually([&] { return !listens(proxy.port()); }));
  CHECK_FALSE(proxy.wait_exit(milliseconds(0)).has_value());
  redis.resume();
  CHECK(client.read().text == "1");
  CHECK(client.wait_closed(seconds(60)));
  CHECK(proxy.wait_exit(seconds(60)) == 0);
}

TEST_CASE("a stop waits no longer than it may, and a second signal not at all") {
  RedisServer redis;
  for (const bool twice : {false, true}) {
    CAPTURE(twice);
    TiercacheProcess proxy(
        redis.port(), {twice ? "limits.drain_timeout_ms=60000" : "limits.drain_timeout_ms=100"});
    proxy.wait_live();
    Client client(proxy.port());
    client.call("SET", "a", "1");
    redis.pause();
    client.send("GETRANGE", "a", "0", "-1");
    REQUIRE(eventually([&] { return proxy.stat("l2_requests") >= 2; }));
    proxy.signal(SIGTERM);
    if (twice) {
      REQUIRE(eventually([&] { return proxy.log().find("stopping") != std::string::npos; }));
      proxy.signal(SIGINT);
    }
    CHECK(proxy.wait_exit(seconds(30)) == 0);  // less than the drain may take
    redis.resume();
  }
}

TEST_CASE("SIGHUP reads the file again, and keeps what was if that fails") {
  RedisServer redis;
  TiercacheProcess proxy(redis.port(), {}, "[warm]\nrate = 5\n");
  Client client(proxy.port());
  const auto rate = [&] {
    return client.call("CACHE", "CONFIG", "GET", "warm.rate").find("warm.rate")->text;
  };
  CHECK(rate() == "5");
  std::ofstream(proxy.config_file()) << "[warm]\nrate = 6\n[l1]\nshards = 2\n";
  proxy.signal(SIGHUP);
  CHECK(eventually([&] { return rate() == "6"; }));
  CHECK(proxy.log().find("l1.shards has changed; it takes effect at the next start") !=
        std::string::npos);
  std::ofstream(proxy.config_file()) << "[warm]\nrat = 7\n";
  proxy.signal(SIGHUP);
  CHECK(eventually([&] { return proxy.log().find("unknown key") != std::string::npos; }));
  CHECK(rate() == "6");
  CHECK(client.call("PING").text == "PONG");
}

}  // namespace tiercache::testing
