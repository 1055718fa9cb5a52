#include "connection.hpp"

#include <cerrno>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace tiercache::load {
namespace {

Error unavailable(const config::Endpoint& target, const char* why) {
  return {ErrorCode::unavailable, config::to_string(target) + ": " + why};
}

Result<int> connected(const config::Endpoint& target, const sockaddr* address, socklen_t size) {
  const int socket = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0 || ::connect(socket, address, size) != 0) {
    const int error = errno;
    if (socket >= 0) {
      ::close(socket);
    }
    return unavailable(target, std::strerror(error));
  }
  return socket;
}

Result<int> connect_unix(const config::Endpoint& target) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // parse_endpoint() has seen to its length; the rest is zero.
  std::memcpy(address.sun_path, target.path.data(), target.path.size());
  return connected(target, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

Result<int> connect_tcp(const config::Endpoint& target) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int status =
      ::getaddrinfo(target.host.c_str(), std::to_string(target.port).c_str(), &hints, &list);
  if (status != 0) {
    return unavailable(target, ::gai_strerror(status));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, ::freeaddrinfo);
  auto socket = connected(target, list->ai_addr, list->ai_addrlen);
  if (socket) {
    const int on = 1;
    ::setsockopt(*socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return socket;
}

}  // namespace

Result<int> connect_to(const config::Endpoint& target) {
  auto socket =
      target.kind == config::EndpointKind::tcp ? connect_tcp(target) : connect_unix(target);
  if (socket) {
    ::fcntl(*socket, F_SETFL, O_NONBLOCK);
  }
  return socket;
}

Connection::~Connection() {
  close();
}

void Connection::close() noexcept {
  if (open()) {
    ::close(socket_);
    socket_ = -1;
  }
}

bool Connection::flush() {
  while (has_output()) {
    const ssize_t sent =
        ::send(socket_, output_.data() + written_, output_.size() - written_, MSG_NOSIGNAL);
    if (sent < 0) {
      return errno == EAGAIN || errno == EINTR;
    }
    written_ += static_cast<std::size_t>(sent);
  }
  output_.clear();
  written_ = 0;
  return true;
}

long Connection::read_some(std::span<char> buffer) const {
  const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), 0);
  if (got > 0) {
    return got;
  }
  return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

}  // namespace tiercache::load
