#include "connection.hpp"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tiercache::verify {
namespace {

constexpr std::size_t kReadSize = 64 * 1024;

// Numbers only need no resolver; names are looked up (that may block, once a connection).
bool resolve(const Endpoint& endpoint, sockaddr_storage& address, socklen_t& size) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found) !=
          0 ||
      found == nullptr) {
    return false;
  }
  std::memcpy(&address, found->ai_addr, found->ai_addrlen);
  size = found->ai_addrlen;
  ::freeaddrinfo(found);
  return true;
}

}  // namespace

Connection::~Connection() {
  close();
}

bool Connection::open(const Endpoint& endpoint) {
  close();
  sockaddr_storage address{};
  socklen_t size = 0;
  if (!resolve(endpoint, address, size)) {
    return false;
  }
  fd_ = ::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) {
    return false;
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 && errno != EINPROGRESS) {
    close();
    return false;
  }
  return true;
}

bool Connection::is_connected() const {
  int error = 0;
  socklen_t size = sizeof error;
  return fd_ >= 0 && ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

void Connection::close() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
  fd_ = -1;
  out_.clear();
  sent_ = begin_ = end_ = 0;
}

Connection::Io Connection::flush() {
  while (sent_ < out_.size()) {
    const ssize_t n = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      return errno == EAGAIN || errno == EWOULDBLOCK ? Io::again : Io::closed;
    }
    sent_ += static_cast<std::size_t>(n);
  }
  out_.clear();
  sent_ = 0;
  return Io::done;
}

Connection::Io Connection::fill() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (in_.size() - end_ < kReadSize) {
    std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (in_.size() - end_ < kReadSize) {
    in_.resize(end_ + 2 * kReadSize);
  }
  for (;;) {
    const ssize_t n = ::recv(fd_, in_.data() + end_, in_.size() - end_, 0);
    if (n > 0) {
      end_ += static_cast<std::size_t>(n);
      return Io::done;
    }
    if (n < 0 && errno == EINTR) {
      continue;
    }
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? Io::again : Io::closed;
  }
}

}  // namespace tiercache::verify
