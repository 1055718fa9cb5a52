#include "http_server.hpp"

#include <algorithm>
#include <cctype>
#include <stdexcept>
#include <utility>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tiercache::testing {

namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool send_all(int socket, const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) {
      return false;
    }
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

std::string HttpServer::Asked::field(const std::string& name) const {
  const std::string mark = "\r\n" + lower(name) + ": ";
  const auto at = lower(head).find(mark);
  if (at == std::string::npos) {
    return "";
  }
  const auto begin = at + mark.size();
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

HttpServer::HttpServer(Answer answer, std::uint16_t port) : answer_(std::move(answer)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_, 128) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    ::close(listener_);
    throw std::runtime_error("the test's server of HTTP cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

HttpServer::~HttpServer() {
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  drop();
  for (std::thread& thread : threads_) {
    thread.join();
  }
  for (const int socket : sockets_) {
    ::close(socket);
  }
  ::close(listener_);
}

std::vector<HttpServer::Asked> HttpServer::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

void HttpServer::drop() {
  const std::lock_guard lock(mutex_);
  for (const int socket : sockets_) {
    ::shutdown(socket, SHUT_RDWR);
  }
}

std::string HttpServer::reply(const std::string& status, const std::string& body,
                              const std::string& fields) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         fields + "\r\n" + body;
}

void HttpServer::accept_all() {
  for (;;) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) {
      return;
    }
    const std::size_t number = ++accepted_;
    const std::lock_guard lock(mutex_);
    sockets_.push_back(socket);
    threads_.emplace_back([this, socket, number] { serve(socket, number); });
  }
}

void HttpServer::serve(int socket, std::size_t number) {
  std::string bytes;
  char buffer[4096];
  for (;;) {
    const auto end = bytes.find("\r\n\r\n");
    if (end == std::string::npos) {
      const ssize_t n = ::recv(socket, buffer, sizeof buffer, 0);
      if (n <= 0) {
        break;
      }
      bytes.append(buffer, static_cast<std::size_t>(n));
      continue;
    }
    Asked asked;
    asked.head = bytes.substr(0, end + 2);
    asked.connection = number;
    bytes.erase(0, end + 4);
    const auto space = asked.head.find(' ');
    asked.target = asked.head.substr(space + 1, asked.head.find(' ', space + 1) - space - 1);
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(asked);
    }
    const Reply reply = answer_(asked);
    if (!send_all(socket, reply.bytes) || reply.close) {
      break;
    }
  }
  ::shutdown(socket, SHUT_RDWR);
}

}  // namespace tiercache::testing
