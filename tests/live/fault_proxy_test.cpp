// Each fault of the fault proxy, seen from a client and a redis-server: a nemesis that does nothing
// would make every test behind it worthless.
#include "faultproxy/fault_proxy.hpp"

#include "client.hpp"
#include "faultproxy/label.hpp"
#include "redis_server.hpp"

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

namespace tiercache::testing {
namespace {

using namespace std::chrono_literals;
using faultproxy::FaultProxy;
using faultproxy::Label;
using faultproxy::Labeller;
using std::chrono::steady_clock;

std::chrono::milliseconds time_of(auto&& action) {
  const auto begin = steady_clock::now();
  action();
  return std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begin);
}

bool soon(auto&& done) {
  const auto deadline = steady_clock::now() + 5s;
  while (!done()) {
    if (steady_clock::now() > deadline) {
      return false;
    }
    ::poll(nullptr, 0, 1);
  }
  return true;
}

// One connection of each kind, as the proxy makes them.
struct Links {
  explicit Links(std::uint16_t port) : event(port), control(port), data(port) {
    event.call("INFO", "server");
    event.call("PSUBSCRIBE", "__keyspace@*__:*");
    control.call("INFO", "replication");
    data.call("SET", "k", "v");
  }
  Client event;
  Client control;
  Client data;
};

// The error that waits on the socket, or 0.
int error_of(Client& client) {
  char byte = 0;
  return ::recv(client.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 ? errno : 0;
}

std::string request(std::initializer_list<std::string> words) {
  std::string out = std::string("*").append(std::to_string(words.size())).append("\r\n");
  for (const std::string& word : words) {
    out.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
  }
  return out;
}

}  // namespace

TEST_CASE("without faults it forwards") {
  RedisServer server;
  FaultProxy proxy(server.port());
  Client client(proxy.port());
  const std::string large(3 << 20, 'x');
  CHECK(client.call("SET", "k", large).text == "OK");
  CHECK(client.call("GET", "k").text == large);
  CHECK(proxy.stat("bytes_up") > large.size());
  CHECK(soon([&] { return proxy.stat("bytes_down") > large.size(); }));
  CHECK(proxy.must("count") == 1);
  client.shutdown_write();
  CHECK(client.wait_closed(60s));
  CHECK(soon([&] { return proxy.must("count") == 0; }));
  CHECK(proxy.stat("ended") == 1);
}

TEST_CASE("connections are told apart by what they begin with") {
  const auto label_of = [](std::initializer_list<std::string> commands) {
    Labeller labeller;
    for (const std::string& command : commands) {
      for (const char c : command) {  // in the smallest pieces
        labeller.feed({&c, 1});
      }
    }
    return labeller.label();
  };
  const std::string info = request({"INFO", "server"});
  CHECK(label_of({}) == Label::unknown);
  CHECK(label_of({info}) == Label::data);
  CHECK(label_of({request({"AUTH", "u", "p"}), info, request({"CLIENT", "ID"})}) == Label::event);
  CHECK(label_of({info, request({"psubscribe", "*"})}) == Label::event);
  CHECK(label_of({info, request({"INFO", "replication"})}) == Label::control);
  CHECK(label_of({request({"HELLO", "3"}), request({"SELECT", "2"}), info,
                  request({"GET", "PSUBSCRIBE"}), request({"PSUBSCRIBE", "*"})}) == Label::data);
  CHECK(label_of({"PING\r\n"}) == Label::data);
  CHECK(label_of({"*1\r\n$99999999999999999999\r\n"}) == Label::data);

  RedisServer server;
  FaultProxy proxy(server.port());
  Links links(proxy.port());
  CHECK(proxy.must("count event") == 1);
  CHECK(proxy.must("count control") == 1);
  CHECK(proxy.must("count data") == 1);
  CHECK(proxy.run("list").find(" event up=") != std::string::npos);
}

TEST_CASE("delays hold each direction apart, and only those meant") {
  RedisServer server;
  FaultProxy proxy(server.port());
  Links links(proxy.port());
  const auto ping = [&] {
    links.data.call("PING");
  };
  proxy.must("delay up 60 data");
  CHECK(time_of(ping) >= 60ms);
  proxy.must("delay down 70 data");
  CHECK(time_of(ping) >= 130ms);
  links.data.send("PING");
  CHECK(links.control.call("PING").text == "PONG");
  CHECK_FALSE(links.data.try_read(0ms).has_value());
  // What is held leaves at once when the delay is over.
  proxy.must("delay both 3600000 data");
  proxy.must("delay both 0 data");
  CHECK(links.data.read().text == "PONG");
  // One connection, by its number.
  CHECK(proxy.must("delay down 50 2") == 1);
  CHECK(time_of([&] { links.control.call("PING"); }) >= 50ms);
}

TEST_CASE("fragments are single bytes, in order") {
  RedisServer server;
  FaultProxy proxy(server.port());
  Client client(proxy.port());
  proxy.must("fragment on");
  const std::string value(200, 'v');
  CHECK(client.call("SET", "k", value).text == "OK");
  CHECK(client.call("GET", "k").text == value);
  // They are counted a little after they have arrived.
  const std::size_t down = std::string("+OK\r\n$200\r\n\r\n").size() + value.size();
  CHECK(soon([&] { return proxy.stat("bytes_down") == down; }));
  CHECK(proxy.stat("writes_down") == down);
  CHECK(proxy.stat("writes_up") == proxy.stat("bytes_up"));
  // Only the beginning of much is cut up.
  const std::string large(100'000, 'v');
  CHECK(client.call("SET", "k", large).text == "OK");
  CHECK(client.call("GET", "k").text == large);
  CHECK(soon([&] { return proxy.stat("bytes_down") > large.size(); }));
  CHECK(proxy.stat("writes_down") < large.size() / 2);
  proxy.must("fragment off");
  const std::uint64_t writes = proxy.stat("writes_down");
  CHECK(client.call("GET", "k").text == large);
  CHECK(soon([&] { return proxy.stat("bytes_down") > 2 * large.size(); }));
  CHECK(proxy.stat("writes_down") - writes < 100);
}

TEST_CASE("a reset reaches both ends, and nobody else") {
  RedisServer server;
  FaultProxy proxy(server.port());
  Links links(proxy.port());
  CHECK(proxy.must("reset event") == 1);
  CHECK(soon([&] { return error_of(links.event) == ECONNRESET; }));
  CHECK(links.data.call("GET", "k").text == "v");
  CHECK(links.control.call("PING").text == "PONG");
  CHECK(soon([&] { return links.control.call("PUBSUB", "NUMPAT").integer == 0; }));
  CHECK(proxy.must("reset") == 2);
  CHECK(soon([&] { return error_of(links.data) == ECONNRESET; }));
  CHECK(proxy.stat("reset") == 3);
}

TEST_CASE("a close ends a connection without an error") {
  RedisServer server;
  FaultProxy proxy(server.port());
  Links links(proxy.port());
  CHECK(proxy.must("close data") == 1);
  CHECK(links.data.wait_closed(60s));
  CHECK(proxy.stat("closed") == 1);
}

TEST_CASE("a pause holds what is sent, and gives it out afterwards") {
  RedisServer server;
  FaultProxy proxy(server.port());
  Links links(proxy.port());
  Client direct(server.port());
  proxy.must("pause up data");
  links.data.send("SET", "k", "held");
  CHECK(soon([&] {
    return proxy.run("list").find("held=0\n", proxy.run("list").find(" data")) == std::string::npos;
  }));
  CHECK(direct.call("GET", "k").text == "v");
  proxy.must("resume data");
  CHECK(links.data.read().text == "OK");
  CHECK(direct.call("GET", "k").text == "held");

  proxy.must("pause down event");
  direct.call("CONFIG", "SET", "notify-keyspace-events", "KA");
  direct.call("SET", "k", "w");
  CHECK_FALSE(links.event.try_read(20ms).has_value());
  CHECK(links.data.call("GET", "k").text == "w");
  proxy.must("resume event");
  CHECK(links.event.read().items.at(3).text == "set");
}

TEST_CASE("a black hole stays open, answers nothing, and lets nobody through") {
  RedisServer server;
  FaultProxy proxy(server.port());
  Links links(proxy.port());
  proxy.must("blackhole on event");
  links.event.send("PING");
  CHECK(links.data.call("PING").text == "PONG");
  CHECK_FALSE(links.event.try_read(20ms).has_value());
  // One that comes later shares its fate as soon as it is known.
  Client later(proxy.port());
  later.call("INFO", "server");
  later.send("CLIENT", "ID");
  CHECK_FALSE(later.try_read(20ms).has_value());
  CHECK(proxy.must("count event") == 2);

  proxy.must("blackhole on all");
  Client stranger(proxy.port());
  stranger.send("PING");
  CHECK_FALSE(stranger.try_read(20ms).has_value());
  CHECK(proxy.must("count unknown") == 1);
  // Neither end has noticed anything; then all goes on where it was.
  proxy.must("blackhole off");
  CHECK(stranger.read().text == "PONG");
  CHECK(links.event.read().items.at(0).text == "pong");
  CHECK(later.read().integer > 0);
}

TEST_CASE("what is not read is held within limits, and the sender feels it") {
  RedisServer server;
  FaultProxy proxy(server.port());
  Client client(proxy.port());
  client.call("PING");
  proxy.must("pause up");
  const std::string piece(1 << 20, 'x');
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  std::size_t sent = 0;
  // Until the kernel's own buffers are full as well: some megabytes.
  while (true) {
    const auto size = ::send(client.fd(), piece.data(), piece.size(), flags);
    if (size <= 0) {
      // Where room for another read is missing it stops; it never holds more than the limit.
      const std::string list = proxy.run("list");
      const auto held = std::stoull(list.substr(list.find("held=") + 5));
      REQUIRE(held <= 65536);
      if (held > 65536 - 16384) {
        break;
      }
    }
    sent += size > 0 ? static_cast<std::size_t>(size) : 0;
    REQUIRE(sent < (std::size_t{1} << 28));
  }
  CHECK(errno == EAGAIN);
}

TEST_CASE("a cut ends a connection in the middle of a reply") {
  RedisServer server;
  FaultProxy proxy(server.port());
  Links links(proxy.port());
  proxy.must("cut down 7 data");
  links.data.send("GET", "k");  // "$1\r\nv\r\n" has seven bytes
  CHECK(links.data.read().text == "v");
  CHECK(links.data.wait_closed(60s));
  CHECK(proxy.stat("cut") == 1);
  CHECK(links.control.call("PING").text == "PONG");
}

TEST_CASE("a server that is away or comes back is the client's to notice") {
  RedisServer server;
  FaultProxy proxy(server.port());
  Client before(proxy.port());
  before.call("PING");
  server.kill9();
  CHECK(before.wait_closed(60s));
  Client during(proxy.port());
  CHECK(during.wait_closed(60s));
  CHECK(proxy.stat("unreachable") == 1);
  server.start();
  CHECK(Client(proxy.port()).call("PING").text == "PONG");
}

TEST_CASE("the language is checked, over the control port too") {
  RedisServer server;
  FaultProxy proxy({"127.0.0.1", server.port(), 0, std::uint16_t{0}});
  for (const char* wrong :
       {"", "delay", "delay up", "delay sideways 5", "delay up -1", "delay up 5 nobody",
        "fragment maybe", "cut both 5", "reset all all", "list all", "nonsense", "pause"}) {
    CAPTURE(wrong);
    CHECK(proxy.run(wrong).starts_with("ERR "));
  }
  CHECK(proxy.run("help").find("blackhole") != std::string::npos);
  CHECK_THROWS(proxy.must("nonsense"));
  Client control(proxy.control_port());
  control.send_raw("delay up 5\nclear\n");
  std::string answer;
  CHECK(soon([&] {
    char bytes[64];
    const auto size = ::recv(control.fd(), bytes, sizeof bytes, MSG_DONTWAIT);
    answer.append(bytes, size > 0 ? static_cast<std::size_t>(size) : 0);
    return answer == "OK 0\nOK 0\n";
  }));
}

}  // namespace tiercache::testing
