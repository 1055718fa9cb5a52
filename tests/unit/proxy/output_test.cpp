#include "output.hpp"

#include "tiercache/l1/store.hpp"

#include <algorithm>
#include <array>
#include <string>

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>
#include <sys/socket.h>

namespace tiercache::proxy {
namespace {

namespace asio = boost::asio;

// A client that reads when it is told to.
class Peer final : private io::Stream::User {
 public:
  Peer() : ours_(io_, *this), theirs_(io_) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    boost::system::error_code error;
    ours_.open(ends[0], error);
    REQUIRE(!error);
    theirs_.assign({AF_UNIX, 0}, ends[1]);
    theirs_.non_blocking(true);
  }
  Output::Flush flush(Output& out) {
    std::size_t written = 0;
    boost::system::error_code error;
    const std::size_t before = out.size();
    const Output::Flush result = out.flush(ours_, written, error);
    CHECK(before - out.size() == written);
    CHECK(written <= Output::kMostAtOnce);
    CHECK((result == Output::Flush::done) == out.empty());
    return result;
  }
  std::string read() {
    std::string all;
    std::array<char, 4096> part{};
    boost::system::error_code error;
    for (;;) {
      const std::size_t size = theirs_.read_some(asio::buffer(part), error);
      if (error) {
        return all;
      }
      all.append(part.data(), size);
    }
  }
  void close() {
    theirs_.close();
  }

 private:
  void on_readable() override {
  }
  void on_writable() override {
  }

  asio::io_context io_;
  io::Stream ours_;
  asio::generic::stream_protocol::socket theirs_;
};

std::string text(std::size_t size, char first) {
  std::string out(size, ' ');
  std::generate(out.begin(), out.end(), [c = first]() mutable {
    c = c == 'z' ? 'a' : static_cast<char>(c + 1);
    return c;
  });
  return out;
}

l1::Pin pin_of(l1::Store& store, std::string_view frame) {
  const l1::Key key{7, 0, "key"};
  l1::Entry* const entry = store.put(key, {}, frame, {}, Time{}, 0);
  REQUIRE(entry != nullptr);
  return store.pin(entry);
}

std::string all_of(Output& out, Peer& peer) {
  std::string got;
  while (peer.flush(out) != Output::Flush::done) {
    got += peer.read();
  }
  return got + peer.read();
}

TEST_CASE("answers of all sizes arrive in their order, whoever holds the bytes") {
  l1::Store store({std::size_t{16} << 20});
  const std::string body = text(300'000, 'a');
  const std::string bulk = "$300000\r\n" + body + "\r\n";
  const std::string list = "*1\r\n$300000\r\n" + body + "\r\n";
  const std::string small = "$5\r\nhello\r\n";
  Output out;
  Peer peer;
  std::string expected;
  for (int round = 0; round < 3; round++) {
    out.append(std::string_view("+OK\r\n"));
    out.append(pin_of(store, bulk));
    out.append(pin_of(store, small));
    out.append(pin_of(store, list));
    out.append(text(100'000, 'k'));
    out.append(std::string_view("+a view\r\n"));
    out.tail().append(":1\r\n");
    expected += "+OK\r\n" + bulk + small + list + text(100'000, 'k') + "+a view\r\n:1\r\n";
  }
  CHECK(out.size() == expected.size());
  CHECK(all_of(out, peer) == expected);
}

TEST_CASE("a reply is sent although its entry has been evicted meanwhile") {
  const std::string bulk = "$300000\r\n" + text(300'000, 'a') + "\r\n";
  Output out;
  {
    l1::Store store({std::size_t{16} << 20});
    out.append(pin_of(store, bulk));
  }
  Peer peer;
  CHECK(all_of(out, peer) == bulk);
}

TEST_CASE("a client that reads slowly gets every byte of a long stream") {
  Output out;
  Peer peer;
  std::string expected;
  std::string got;
  for (int i = 0; i < 2000; i++) {
    const std::string piece = text(1 + static_cast<std::size_t>(i) * 37 % 20'000, 'b');
    out.append(std::string_view(piece));
    expected += piece;
    CHECK(out.size() + got.size() <= expected.size());
    if (i % 3 == 0) {
      peer.flush(out);
    }
    if (i % 50 == 0) {
      got += peer.read();
    }
  }
  got += all_of(out, peer);
  CHECK(got == expected);
}

TEST_CASE("a client that has gone is an error, and clear() forgets everything") {
  Output out;
  Peer peer;
  peer.close();
  out.append(text(200'000, 'a'));
  CHECK(peer.flush(out) == Output::Flush::failed);
  out.clear();
  CHECK(out.empty());
  CHECK(out.capacity() < 1024);
}

}  // namespace
}  // namespace tiercache::proxy
