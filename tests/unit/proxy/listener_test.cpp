// When the kernel takes connections: nothing is accepted here, they wait in its queue.
#include "tiercache/proxy/listener.hpp"

#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <doctest/doctest.h>

namespace tiercache::proxy {

namespace {

namespace asio = boost::asio;

struct World {
  asio::io_context io;
  Hub hub;
  config::Listen listen;

  // The reason why not; empty: it connects.
  std::string connect(std::uint16_t port) {
    asio::ip::tcp::socket socket(io);
    boost::system::error_code error;
    socket.connect({asio::ip::make_address("127.0.0.1"), port}, error);
    return error ? error.message() : "";
  }
};

}  // namespace

TEST_CASE("clients wait in the queue from the opening, or are refused until the start") {
  World world;
  world.listen.port = 0;
  Listener early(world.io, world.hub);
  REQUIRE(early.open_tcp(world.listen));
  CHECK(world.connect(early.port()).empty());
  Listener late(world.io, world.hub);
  REQUIRE(late.open_tcp(world.listen, Listener::Queue::from_start));
  CHECK(world.connect(late.port()) == "Connection refused");
  REQUIRE(late.start());
  CHECK(world.connect(late.port()).empty());
  late.stop();
  CHECK(world.connect(late.port()) == "Connection refused");
}

TEST_CASE("an address that somebody else listens on by the start is an error") {
  World world;
  world.listen.port = 0;
  Listener late(world.io, world.hub);
  REQUIRE(late.open_tcp(world.listen, Listener::Queue::from_start));
  world.listen.port = late.port();
  Listener other(world.io, world.hub);
  REQUIRE(other.open_tcp(world.listen));
  const Status status = late.start();
  REQUIRE_FALSE(status);
  CHECK(status.error().detail == "cannot listen on 127.0.0.1:0: Address already in use");
}

}  // namespace tiercache::proxy
