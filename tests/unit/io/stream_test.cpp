// Streams and their Poller, on socket pairs.
#include "tiercache/io/stream.hpp"

#include "tiercache/io/poller.hpp"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tiercache::io {
namespace {

// One end is a stream that reads into `got`, the other a plain descriptor.
class Pair final : public Stream::User {
 public:
  explicit Pair(boost::asio::io_context& io, std::size_t buffer = 64) : buffer_(buffer, ' ') {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
    peer_ = ends[1];
    error_code error;
    stream.emplace(io, *this);
    stream->open(ends[0], error);
    REQUIRE(!error);
  }
  ~Pair() {
    leave();
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  void say(std::string_view bytes) const {
    REQUIRE(::send(peer_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  std::string hear() const {
    std::string all(std::size_t{1} << 20, ' ');
    const ssize_t size = ::recv(peer_, all.data(), all.size(), MSG_DONTWAIT);
    all.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return all;
  }
  void leave() {
    if (peer_ >= 0) {
      ::close(std::exchange(peer_, -1));
    }
  }

  void on_readable() override {
    calls++;
    if (paused) {
      return;
    }
    error_code error;
    const std::size_t size = stream->receive(buffer_.data(), buffer_.size(), error);
    if (error == boost::asio::error::would_block) {
      empty++;
    } else if (error) {
      ended = error;
    } else {
      got.append(buffer_, 0, size);
    }
    if (then) {
      then();
    }
    if (stream && stream->readable()) {
      stream->visit();
    }
  }
  void on_writable() override {
    writable++;
  }
  void on_detached() override {
    detached++;
  }

  std::optional<Stream> stream;
  bool paused = false;
  std::function<void()> then;  // after each read
  std::string got;
  error_code ended;
  unsigned calls = 0;
  unsigned empty = 0;
  unsigned writable = 0;
  unsigned detached = 0;

 private:
  int peer_ = -1;
  std::string buffer_;
};

void run(boost::asio::io_context& io) {
  io.restart();
  while (io.poll() > 0) {
  }
}

TEST_CASE("what comes is told once, and no read is tried in vain") {
  boost::asio::io_context io{1};
  Pair pair(io);
  run(io);
  CHECK(pair.calls == 0);
  pair.say("hello");
  run(io);
  CHECK(pair.got == "hello");
  pair.say(" and more");
  run(io);
  CHECK(pair.got == "hello and more");
  CHECK(pair.calls == 2);
  CHECK(pair.empty == 0);
  CHECK(!pair.ended);
}

TEST_CASE("what a read has left is visited, and the end behind it") {
  boost::asio::io_context io{1};
  Pair pair(io, 4);
  pair.say("0123456789");
  run(io);
  CHECK(pair.got == "0123456789");
  // The end comes with the last bytes: nothing else tells of it.
  pair.say("ab");
  pair.leave();
  run(io);
  CHECK(pair.got == "0123456789ab");
  CHECK(pair.ended == boost::asio::error::eof);
  CHECK_FALSE(pair.stream->readable());
}

TEST_CASE("an end that comes after the last bytes were read is told too") {
  boost::asio::io_context io{1};
  Pair pair(io);
  pair.say("ab");
  run(io);
  CHECK(!pair.ended);
  pair.leave();
  run(io);
  CHECK(pair.ended == boost::asio::error::eof);
}

TEST_CASE("a user that does not read is told no more, and goes on where it left") {
  boost::asio::io_context io{1};
  Pair pair(io);
  pair.paused = true;
  pair.say("one ");
  run(io);
  CHECK(pair.stream->readable());
  pair.paused = false;
  pair.stream->visit();
  pair.stream->visit();
  run(io);
  CHECK(pair.got == "one ");
  CHECK(pair.empty == 0);
}

TEST_CASE("more streams than a turn takes are all told") {
  boost::asio::io_context io{1};
  std::vector<std::unique_ptr<Pair>> pairs;
  for (int i = 0; i < 3 * Poller::kMostAtOnce; i++) {
    pairs.push_back(std::make_unique<Pair>(io));
    pairs.back()->say(std::to_string(i));
  }
  run(io);
  for (std::size_t i = 0; i < pairs.size(); i++) {
    CHECK(pairs[i]->got == std::to_string(i));
  }
}

TEST_CASE("a stream may end any other of its turn, and itself") {
  boost::asio::io_context io{1};
  Pair one(io);
  Pair two(io);
  one.then = [&] {
    two.stream.reset();
  };
  two.then = [&] {
    one.stream.reset();
  };
  one.say("1");
  two.say("2");
  run(io);
  CHECK(one.got.size() + two.got.size() == 1);

  Pair alone(io);
  alone.then = [&] {
    alone.stream.reset();
  };
  alone.stream->await_writable();
  alone.say("x");
  run(io);
  CHECK(alone.got == "x");
  CHECK(alone.writable == 0);

  // One that is to be visited.
  Pair small(io, 1);
  small.say("abc");
  small.then = [&] {
    boost::asio::post(io, [&] { small.stream.reset(); });
  };
  run(io);
  CHECK_FALSE(small.stream);
}

TEST_CASE("who waits to write is told when there is room, once") {
  boost::asio::io_context io{1};
  Pair pair(io);
  error_code error;
  const std::string much(std::size_t{1} << 16, 'x');
  std::size_t sent = 0;
  while (!error) {
    sent += pair.stream->send(much, error);
  }
  CHECK(error == boost::asio::error::would_block);
  pair.stream->await_writable();
  run(io);
  CHECK(pair.writable == 0);
  std::size_t heard = 0;
  while (heard < sent) {
    heard += pair.hear().size();
  }
  run(io);
  CHECK(pair.writable == 1);
  // There is room already.
  pair.stream->await_writable();
  run(io);
  CHECK(pair.writable == 2);
  const std::array<char, 2> head{'a', 'b'};
  const std::array<iovec, 2> pieces{iovec{const_cast<char*>(head.data()), 2},
                                    iovec{const_cast<char*>(much.data()), 3}};
  CHECK(pair.stream->send(pieces, error) == 5);
  CHECK(pair.hear() == "abxxx");
}

TEST_CASE("a peer that is gone: the write fails, whoever waits is told") {
  boost::asio::io_context io{1};
  Pair pair(io);
  pair.paused = true;
  pair.stream->await_writable();
  pair.leave();
  run(io);
  CHECK(pair.writable == 1);
  error_code error;
  CHECK(pair.stream->send("x", error) == 0);
  CHECK(error == boost::asio::error::broken_pipe);
}

class Flusher final : public AtTurnEnd {
 public:
  void on_turn_end() override {
    calls++;
  }
  unsigned calls = 0;
};

TEST_CASE("the end of a turn comes once, behind all of its streams") {
  boost::asio::io_context io{1};
  Poller& poller = Poller::of(io);
  Flusher flusher;
  std::vector<std::unique_ptr<Pair>> pairs;
  for (int i = 0; i < 10; i++) {
    pairs.push_back(std::make_unique<Pair>(io));
    pairs.back()->then = [&] {
      CHECK(flusher.calls == 0);
      poller.at_turn_end(flusher, TurnEnd::send);
    };
    pairs.back()->say("x");
  }
  run(io);
  CHECK(flusher.calls == 1);
  // Outside of a turn.
  poller.at_turn_end(flusher, TurnEnd::send);
  poller.at_turn_end(flusher, TurnEnd::send);
  CHECK(flusher.calls == 1);
  run(io);
  CHECK(flusher.calls == 2);
  {
    Flusher gone;
    poller.at_turn_end(gone, TurnEnd::answer);
  }
  run(io);
}

// Answers, asks for something to be sent, and now and then to be called again.
class Answerer final : public AtTurnEnd {
 public:
  Answerer(Poller& poller, Flusher& flusher, unsigned again)
      : poller_(poller), flusher_(flusher), again_(again) {
  }
  void on_turn_end() override {
    CHECK(flusher_.calls == calls);
    calls++;
    poller_.at_turn_end(flusher_, TurnEnd::send);
    if (calls <= again_) {
      poller_.at_turn_end(*this, TurnEnd::answer);
    }
  }
  unsigned calls = 0;

 private:
  Poller& poller_;
  Flusher& flusher_;
  unsigned again_;
};

TEST_CASE("at the end of a turn who answers comes first, and what these ask for is sent in it") {
  for (const bool in_turn : {true, false}) {
    boost::asio::io_context io{1};
    Poller& poller = Poller::of(io);
    Flusher flusher;
    Answerer answerer(poller, flusher, 2);
    const auto begin = [&] {
      poller.at_turn_end(flusher, TurnEnd::send);
      poller.at_turn_end(answerer, TurnEnd::answer);
    };
    Pair pair(io);
    pair.then = begin;
    if (in_turn) {
      pair.say("x");
    } else {
      begin();
    }
    run(io);
    // Whoever comes back is called in a later turn, with what was sent between.
    CHECK(answerer.calls == 3);
    CHECK(flusher.calls == 3);
  }
}

TEST_CASE("an open stream keeps the loop running, a closed one does not") {
  boost::asio::io_context io{1};
  Pair pair(io);
  pair.then = [&] {
    pair.stream->close();
  };
  pair.say("x");
  io.run();
  CHECK(pair.got == "x");
  CHECK_FALSE(pair.stream->is_open());
}

TEST_CASE("a stream that outlives its io_context is closed") {
  auto io = std::make_unique<boost::asio::io_context>(1);
  Pair pair(*io);
  Pair idle(*io);
  pair.say("x");
  io.reset();
  CHECK_FALSE(pair.stream->is_open());
  CHECK(pair.detached == 1);
  CHECK(idle.detached == 1);
  CHECK(pair.calls == 0);
}

}  // namespace
}  // namespace tiercache::io
