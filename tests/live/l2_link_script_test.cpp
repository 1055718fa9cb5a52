// Data links against a server of the test's own, which answers what the test wants.
#include "l2_links.hpp"
#include "l2_loop.hpp"

#include "tiercache/l2/links.hpp"

#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using l2::Link;
using l2::LinkPtr;
using l2::LinksConfig;
using testing::ask;
using testing::links_for;
using testing::local;
using testing::Loop;
using testing::Recorder;
using testing::RecorderPtr;

namespace {

// A server that is a script of bytes: what it answers does not depend on what it is asked.
class FakeServer {
 public:
  FakeServer(Loop& loop, std::vector<std::string> chunks)
      : acceptor_(loop.io(), {boost::asio::ip::address_v4::loopback(), 0}),
        socket_(loop.io()),
        chunks_(std::move(chunks)) {
    acceptor_.async_accept(socket_, [this](const boost::system::error_code& error) {
      if (!error) {
        socket_.set_option(boost::asio::ip::tcp::no_delay(true));
        next();
      }
    });
  }
  std::uint16_t port() const {
    return acceptor_.local_endpoint().port();
  }
  // Reads until nothing more can come; how the connection ended.
  boost::system::error_code end_of_input() {
    socket_.non_blocking(false);
    boost::system::error_code error;
    for (std::string buffer(65536, ' '); !error;) {
      socket_.read_some(boost::asio::buffer(buffer), error);
    }
    return error;
  }

 private:
  void next() {
    if (sent_ == chunks_.size()) {
      return;
    }
    boost::asio::async_write(socket_, boost::asio::buffer(chunks_[sent_++]),
                             [this](const boost::system::error_code& error, std::size_t) {
                               if (!error) {
                                 next();
                               }
                             });
  }

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::ip::tcp::socket socket_;
  std::vector<std::string> chunks_;
  std::size_t sent_ = 0;
};

}  // namespace

TEST_CASE("replies cut anywhere are put together") {
  const std::string stream =
      "$20\r\n# Server\r\nrun_id:abc\r\n$5\r\nhello\r\n*2\r\n:1\r\n$-1\r\n-ERR no\r\n";
  std::vector<std::string> bytes;
  for (const char byte : stream) {
    bytes.emplace_back(1, byte);
  }
  Loop loop;
  FakeServer server(loop, bytes);
  LinksConfig config;
  config.upstream = l2::upstream_at(local(server.port()));
  const auto links = links_for(loop, config);
  const LinkPtr link = links->shared({});
  const RecorderPtr recorder(new Recorder);
  for (std::uint64_t tag = 1; tag <= 3; tag++) {
    ask(*link, *recorder, {"ANY"}, tag);
  }
  REQUIRE(loop.until([&] { return recorder->finished == 3; }));
  CHECK(recorder->replies[0].bytes == "$5\r\nhello\r\n");
  CHECK(recorder->replies[1].bytes == "*2\r\n:1\r\n$-1\r\n");
  CHECK(recorder->replies[2].bytes == "-ERR no\r\n");
  CHECK(link->next_place().source != 0);
}

TEST_CASE("a link ends when Redis breaks the protocol") {
  const std::string info = "$20\r\n# Server\r\nrun_id:abc\r\n";
  for (const char* nonsense : {"hello\r\n", "+OK\r\n+nobody asked for this\r\n"}) {
    CAPTURE(nonsense);
    Loop loop;
    FakeServer server(loop, {info + nonsense});
    LinksConfig config;
    config.upstream = l2::upstream_at(local(server.port()));
    const auto links = links_for(loop, config);
    const LinkPtr link = links->shared({});
    const RecorderPtr recorder(new Recorder);
    ask(*link, *recorder, {"ANY"}, 1);
    REQUIRE(loop.until([&] { return link->state() == Link::State::dead; }));
    loop.drain();
    CHECK(recorder->finished + recorder->lost[1] == 1);
  }
}

TEST_CASE("what a link had to give up does not arrive later") {
  Loop loop;
  FakeServer server(loop, {"$20\r\n# Server\r\nrun_id:abc\r\n"});
  LinksConfig config;
  config.upstream = l2::upstream_at(local(server.port()));
  config.connect_timeout = 60s;
  config.response_timeout = 200ms;
  const auto links = links_for(loop, config);
  const LinkPtr link = links->shared({});
  const RecorderPtr recorder(new Recorder);
  ask(*link, *recorder, {"SET", "key", std::string(std::size_t{1} << 20U, 'x')}, 1);
  REQUIRE(loop.until([&] { return recorder->lost[1] == 1; }));
  CHECK(recorder->reason == "Redis did not answer in time");
  CHECK(server.end_of_input() == boost::asio::error::connection_reset);
}
