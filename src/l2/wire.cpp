#include "wire.hpp"

#include <cstring>
#include <utility>

#include <boost/asio/buffer.hpp>
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
    : io_(io), endpoint_(endpoint), user_(&user), timer_(io), socket_(io) {
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
        self->socket_ = std::move(socket);
        self->buffer_.resize(kBuffer);
        self->read();
        self->user_->on_up();
      });
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
  error_code ignored;
  socket_.close(ignored);
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
  if (user_ == nullptr || write_waiting_ || !socket_.is_open()) {
    return;
  }
  error_code error;
  const Output::Flush result = out_.flush(socket_, error);
  if (result == Output::Flush::blocked && out_.size() < kMaxOutput) {
    write_waiting_ = true;
    socket_.async_wait(Socket::wait_write,
                       [self = shared_from_this()](const error_code& /*shows at the next send*/) {
                         self->write_waiting_ = false;
                         self->flush();
                       });
  } else if (result != Output::Flush::done) {
    asio::post(io_, [self = shared_from_this(), error] {
      self->fail(error ? "the connection to Redis broke: " + error.message()
                       : "Redis does not read what it is sent");
    });
  }
}

void Wire::read() {
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
      return;
    } else {
      buffer_.resize(buffer_.size() * 2);
    }
  }
  socket_.async_read_some(asio::buffer(buffer_.data() + end_, buffer_.size() - end_),
                          [self = shared_from_this()](const error_code& error, std::size_t size) {
                            self->on_read(error, size);
                          });
}

void Wire::on_read(const error_code& error, std::size_t size) {
  if (user_ == nullptr) {
    return;
  }
  if (error) {
    fail(error == asio::error::eof ? std::string("Redis closed the connection")
                                   : "the connection to Redis broke: " + error.message());
    return;
  }
  end_ += size;
  begin_ += user_->on_bytes({buffer_.data() + begin_, end_ - begin_});
  if (user_ != nullptr) {
    read();
  }
}

}  // namespace tiercache::l2
