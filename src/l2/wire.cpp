#include "wire.hpp"

#include <cstring>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

namespace tiercache::l2 {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kBuffer = std::size_t{256} << 10;
// A frame is as long as the longest key that Redis takes, and a little.
constexpr std::size_t kMaxBuffer = std::size_t{1} << 30;
// Beyond this the peer does not read what it is sent.
constexpr std::size_t kMaxOutput = std::size_t{64} << 20;

}  // namespace

Wire::Wire(asio::io_context& io, const config::Endpoint& endpoint, User& user)
    : io_(io), endpoint_(endpoint), user_(&user), timer_(io), stream_(io, *this) {
}

void Wire::start(Duration limit) {
  timer_.expires_after(limit);
  timer_.async_wait([self = shared_from_this()](const error_code& error) {
    if (!error) {
      self->fail("cannot connect to " + config::to_string(self->endpoint_) + ": timed out");
    }
  });
  connector_ = Connector::start(
      io_, endpoint_, [self = shared_from_this()](const std::string& error, Socket socket) {
        self->connector_.reset();
        if (!error.empty()) {
          self->fail(error);
          return;
        }
        self->on_connected(std::move(socket));
      });
}

void Wire::on_connected(Socket socket) {
  error_code error;
  const int descriptor = socket.release(error);
  if (!error) {
    stream_.open(descriptor, error);
  }
  if (error) {
    fail("cannot connect to " + config::to_string(endpoint_) + ": " + error.message());
    return;
  }
  alive_ = shared_from_this();
  buffer_.resize(kBuffer);
  user_->on_up();
}

void Wire::ready() {
  timer_.cancel();
  // A wait that has ended already must not end the connection.
  timer_.expires_at(kNever);
}

void Wire::close() {
  user_ = nullptr;
  if (connector_) {
    connector_->cancel();
    connector_.reset();
  }
  timer_.cancel();
  stream_.close();
  alive_.reset();
}

void Wire::fail(const std::string& why) {
  if (user_ == nullptr) {
    return;
  }
  User& user = *user_;
  close();
  user.on_down(why);
}

void Wire::flush() {
  if (user_ == nullptr || write_waiting_ || !stream_.is_open()) {
    return;
  }
  error_code error;
  const Output::Flush result = out_.flush(stream_, error);
  if (result == Output::Flush::blocked && out_.size() < kMaxOutput) {
    write_waiting_ = true;
    stream_.await_writable();
  } else if (result != Output::Flush::done) {
    asio::post(io_, [self = shared_from_this(), error] {
      self->fail(error ? "the connection to Redis broke: " + error.message()
                       : "Redis does not read what it is sent");
    });
  }
}

void Wire::on_writable() {
  const auto keep = shared_from_this();
  write_waiting_ = false;
  flush();
}

void Wire::on_detached() {
  user_ = nullptr;
  alive_.reset();
}

void Wire::make_room() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (buffer_.size() > kBuffer) {
      std::vector<char>(kBuffer).swap(buffer_);
    }
  } else if (end_ == buffer_.size()) {
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    } else if (buffer_.size() >= kMaxBuffer) {
      fail("Redis sent a frame that is too long");
    } else {
      buffer_.resize(buffer_.size() * 2);
    }
  }
}

void Wire::on_readable() {
  const auto keep = shared_from_this();
  make_room();
  if (user_ == nullptr) {
    return;
  }
  error_code error;
  const std::size_t size = stream_.receive(buffer_.data() + end_, buffer_.size() - end_, error);
  if (error == asio::error::would_block) {
    return;
  }
  if (error) {
    fail(error == asio::error::eof ? std::string("Redis closed the connection")
                                   : "the connection to Redis broke: " + error.message());
    return;
  }
  end_ += size;
  begin_ += user_->on_bytes({buffer_.data() + begin_, end_ - begin_});
  if (user_ != nullptr && stream_.readable()) {
    stream_.visit();
  }
}

}  // namespace tiercache::l2
