// The load generator against a real server, and against one that answers when the test wants.
#include "load/run.hpp"
#include "redis_server.hpp"

#include <array>
#include <stdexcept>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tiercache::load {
namespace {

using testing::Client;
using testing::RedisServer;

Settings settings_for(std::uint16_t port) {
  Settings settings;
  settings.target.port = port;
  settings.connections = 4;
  settings.pipeline = 5;
  settings.threads = 2;
  return settings;
}

TEST_CASE("what was filled is found, each key once, and exactly so many requests are asked") {
  RedisServer server;
  Settings settings = settings_for(server.port());
  settings.workload.keys = parse_keys("sequence:1003").value();
  settings.workload.values = ValueSizes::parse("10,1000").value();
  settings.workload.ttl = std::chrono::seconds(1000);
  settings.fill = Fill::first;
  settings.count = 1003;
  const auto outcome = run(settings);
  REQUIRE(outcome);
  CHECK(outcome.value().tally->replies == 1003);
  CHECK(outcome.value().tally->latency.count() == 1003);
  CHECK(outcome.value().tally->nulls == 0);
  CHECK(outcome.value().tally->good());
  Client client(server.port());
  CHECK(client.call("DBSIZE").integer == 1003);
  CHECK(client.call("TTL", "key:000000001002").integer > 0);
  CHECK(client.call("INFO", "commandstats").text.find("cmdstat_get:calls=1003,") !=
        std::string::npos);
}

TEST_CASE("missing keys are nulls, and refusals are errors") {
  RedisServer server;
  Settings settings = settings_for(server.port());
  settings.count = 20;
  const auto missing = run(settings);
  REQUIRE(missing);
  CHECK(missing.value().tally->nulls == 20);
  CHECK(missing.value().tally->good());
  Client(server.port()).call("CONFIG", "SET", "maxmemory", "1");
  settings.workload.command = CommandKind::set;
  const auto refused = run(settings);
  REQUIRE(refused);
  CHECK(refused.value().tally->errors == 20);
  CHECK(refused.value().tally->first_error.starts_with("OOM"));
  CHECK_FALSE(refused.value().tally->good());
}

TEST_CASE("where nobody listens it cannot run") {
  CHECK_FALSE(run(settings_for(testing::free_port())));
}

// Listens, takes one connection, and answers nothing until all of `requests` GETs have come; with
// an answer to each, or by closing the connection.
class LateServer {
 public:
  enum class Then : std::uint8_t { answer, close };

  LateServer(std::size_t requests, Then then) : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, any, size) != 0 || ::listen(listener_, 1) != 0 ||
        ::getsockname(listener_, any, &size) != 0) {
      throw std::runtime_error("LateServer: it cannot listen");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, requests, then] { serve(requests, then); });
  }
  ~LateServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::uint16_t port() const {
    return port_;
  }

 private:
  void serve(std::size_t requests, Then then) const {
    const std::size_t expected =
        requests * std::string_view("*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000000\r\n").size();
    const int client = ::accept(listener_, nullptr, nullptr);
    std::array<char, 4096> buffer;
    for (std::size_t received = 0; received < expected;) {
      const ssize_t got = ::recv(client, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        break;
      }
      received += static_cast<std::size_t>(got);
    }
    if (then == Then::answer) {
      std::string replies;
      for (std::size_t i = 0; i < requests; ++i) {
        replies += "$1\r\nx\r\n";
      }
      // A failure shows as unanswered requests.
      [[maybe_unused]] const auto sent =
          ::send(client, replies.data(), replies.size(), MSG_NOSIGNAL);
      ::recv(client, buffer.data(), buffer.size(), 0);  // until the peer closes
    }
    ::close(client);
  }

  int listener_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

Settings open_loop(std::uint16_t port) {
  Settings settings = settings_for(port);
  settings.connections = 1;
  settings.threads = 1;
  settings.pipeline = 1;
  settings.rate = 1000;
  settings.count = 50;
  return settings;
}

TEST_CASE(
    "an open loop asks on while nothing is answered, and latency counts from when it was due") {
  const LateServer server(50, LateServer::Then::answer);
  const auto outcome = run(open_loop(server.port()));
  REQUIRE(outcome);
  const Tally& tally = *outcome.value().tally;
  CHECK(tally.replies == 50);
  CHECK(tally.good());
  // The last is due after 49 ms and answered later; so the first waits for 49 ms, half for 24.
  CHECK(tally.latency.max() >= 49'000'000);
  CHECK(tally.latency.quantile(0.5) >= 24'000'000);
}

TEST_CASE("an open loop ends when all that fell due is answered, though its time is not over") {
  RedisServer server;
  Settings settings = open_loop(server.port());
  settings.rate = 10;
  settings.count = 0;
  settings.seconds = 0.15;
  const auto outcome = run(settings);
  REQUIRE(outcome);
  CHECK(outcome.value().tally->replies == 2);
}

TEST_CASE("what a lost connection owes is counted as unanswered") {
  const LateServer server(50, LateServer::Then::close);
  const auto outcome = run(open_loop(server.port()));
  REQUIRE(outcome);
  CHECK(outcome.value().tally->replies == 0);
  CHECK(outcome.value().tally->unanswered == 50);
  CHECK_FALSE(outcome.value().tally->good());
}

}  // namespace
}  // namespace tiercache::load
