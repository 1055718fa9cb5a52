#include "tiercache/io/stream.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/io/poller.hpp"

#include <algorithm>
#include <cerrno>

#include <boost/asio/error.hpp>
#include <sys/socket.h>
#include <unistd.h>

namespace tiercache::io {

namespace {

constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;

error_code last_error() noexcept {
  return {errno, boost::system::system_category()};
}

// What a call says that moved `moved` bytes, or failed with -1.
std::size_t outcome(ssize_t moved, error_code& error) noexcept {
  if (moved >= 0) {
    error = {};
    return static_cast<std::size_t>(moved);
  }
  error = last_error();
  return 0;
}

template <class Call>
ssize_t uninterrupted(const Call& call) noexcept {
  while (true) {
    const ssize_t moved = call();
    if (moved >= 0 || errno != EINTR) {
      return moved;
    }
  }
}

}  // namespace

void Stream::open(int descriptor, error_code& error) {
  TC_CHECK(descriptor_ < 0);
  descriptor_ = descriptor;
  readable_ = ended_ = awaits_writable_ = false;
  Poller& poller = Poller::of(io_);
  if (!poller.add(*this)) {
    error = last_error();
    ::close(std::exchange(descriptor_, -1));
    return;
  }
  error = {};
  poller_ = &poller;
  work_.emplace(
      boost::asio::require(io_.get_executor(), boost::asio::execution::outstanding_work.tracked));
}

void Stream::close() noexcept {
  if (descriptor_ < 0) {
    return;
  }
  poller_->forget(*this);
  poller_ = nullptr;
  ::close(std::exchange(descriptor_, -1));
  readable_ = false;
  work_.reset();
}

void Stream::abort() noexcept {
  const linger at_once{1, 0};
  if (descriptor_ >= 0) {
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  close();
}

void Stream::visit() {
  TC_CHECK(is_open() && readable_);
  poller_->visit(*this);
}

std::size_t Stream::receive(char* data, std::size_t size, error_code& error) noexcept {
  const ssize_t moved =
      uninterrupted([&] { return ::recv(descriptor_, data, size, MSG_DONTWAIT); });
  const std::size_t received = outcome(moved, error);
  if (moved == 0 && size > 0) {
    error = boost::asio::error::eof;
  }
  // What comes after a read that was not filled is told anew; but of an end that had come by then
  // nothing more is told.
  if (error || (received < size && !ended_)) {
    readable_ = false;
  }
  return received;
}

std::size_t Stream::send(std::string_view bytes, error_code& error) noexcept {
  return outcome(
      uninterrupted([&] { return ::send(descriptor_, bytes.data(), bytes.size(), kFlags); }),
      error);
}

std::size_t Stream::send(std::span<const iovec> pieces, error_code& error) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  return outcome(uninterrupted([&] { return ::sendmsg(descriptor_, &message, kFlags); }), error);
}

void Stream::await_writable() noexcept {
  awaits_writable_ = true;
  poller_->await_writable(*this);
}

}  // namespace tiercache::io
