// The program as its users meet it: a port, and Redis behind it.
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace tiercache::testing {

namespace {

struct World {
  RedisServer redis;
  TiercacheProcess proxy;

  explicit World(std::vector<std::string> sets = {}) : proxy(redis.port(), std::move(sets)) {
    proxy.wait_live();
  }
};

// The output of a shell command, stderr included, and its status.
std::pair<std::string, int> shell(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    out.append(buffer.data(), n);
  }
  return {out, ::pclose(pipe)};
}

}  // namespace

TEST_CASE("what is read again comes from memory, and what others write is seen") {
  World world;
  Client client(world.proxy.port());
  CHECK(client.call("SET", "a", "1").text == "OK");
  client.settle();
  REQUIRE(eventually([&] {
    CHECK(client.call("GET", "a").text == "1");
    return world.proxy.stat("l1_hits") > 0;
  }));
  const std::int64_t hits = world.proxy.stat("l1_hits");
  CHECK(client.call("GET", "a").text == "1");
  CHECK(world.proxy.stat("l1_hits") == hits + 1);

  Client direct(world.redis.port());
  CHECK(direct.call("SET", "a", "2").text == "OK");
  CHECK(eventually([&] { return client.call("GET", "a").text == "2"; }));
  // And never the old one again.
  for (int i = 0; i < 100; i++) {
    CHECK(client.call("GET", "a").text == "2");
  }
}

TEST_CASE("a fresh start fills from the first read on") {
  World world;
  Client(world.redis.port()).call("SET", "early", "1");
  // As many connections as threads, one read each.
  Client one(world.proxy.port());
  Client two(world.proxy.port());
  REQUIRE(eventually([&] { return world.proxy.stat("events_received") > 0; }));
  CHECK(one.call("GET", "early").text == "1");
  CHECK(two.call("GET", "early").text == "1");
  CHECK(world.proxy.stat("l1_fills") >= 1);
}

TEST_CASE("a unix socket serves like the port, with its own mode, and goes with the program") {
  RedisServer redis;
  const std::string path = (redis.directory() / "tiercache.sock").string();
  TiercacheProcess proxy(redis.port(),
                         {"listen.unix_socket=" + path, "listen.unix_socket_mode=700"});
  struct stat facts {};
  REQUIRE(::stat(path.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0700);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(fd >= 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::send(fd, "PING\r\n", 6, 0) == 6);
  std::array<char, 7> reply{};
  REQUIRE(::recv(fd, reply.data(), reply.size(), MSG_WAITALL) == 7);
  CHECK(std::string_view(reply.data(), reply.size()) == "+PONG\r\n");
  ::close(fd);
  proxy.signal(SIGTERM);
  CHECK(proxy.wait_exit(std::chrono::seconds(60)) == 0);
  CHECK(::stat(path.c_str(), &facts) != 0);
}

TEST_CASE("a client that never reads is closed, and others go on") {
  // Hits would stop at the pause, and never come to the limit.
  World world({"limits.client_output=1mb", "limits.client_output_pause=1mb", "l1.enabled=false"});
  Client other(world.proxy.port());
  other.call("SET", "big", std::string(256 * 1024, 'x'));
  Client lazy(world.proxy.port());
  // More than the kernel keeps for it, and asked at once, since it is not read later.
  std::string requests;
  for (int i = 0; i < 200; i++) {
    requests += Client::encode(std::vector<std::string_view>{"GETRANGE", "big", "0", "-1"});
  }
  lazy.send_raw(requests);
  CHECK(eventually([&] { return world.proxy.stat("clients_closed_output_limit") == 1; }));
  CHECK(other.call("STRLEN", "big").integer == 256 * 1024);
}

TEST_CASE("a denied command is refused, and aborts the transaction it stands in") {
  World world;
  Client client(world.proxy.port());
  CHECK(client.call("SHUTDOWN").text ==
        "ERR unknown command 'SHUTDOWN', with args beginning with: ");
  client.call("MULTI");
  CHECK(client.call("SHUTDOWN", "NOSAVE").is_error());
  CHECK(client.call("SET", "denied", "1").text == "QUEUED");
  CHECK(client.call("EXEC").text.starts_with("EXECABORT"));
  CHECK(client.call("EXISTS", "denied").integer == 0);
}

TEST_CASE("redis-benchmark runs every test without an error") {
  World world;
  const std::string base =
      "redis-benchmark -h 127.0.0.1 -p " + std::to_string(world.proxy.port()) + " -q ";
  for (const char* options : {"-n 20000", "-n 20000 -P 64 --threads 2"}) {
    CAPTURE(options);
    const std::pair<std::string, int> result = shell(base + options);
    const std::string& out = result.first;
    const int status = result.second;
    CAPTURE(out);
    CHECK(status == 0);
    CHECK(out.find("requests per second") != std::string::npos);
    CHECK(out.find("MSET (10 keys): ") != std::string::npos);  // the last test
    CHECK(out.find("ERR") == std::string::npos);
    CHECK(out.find("Error") == std::string::npos);
  }
}

}  // namespace tiercache::testing
