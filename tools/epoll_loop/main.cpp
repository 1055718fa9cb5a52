// tiercache-epoll-loop: the limit that hits are compared with. One thread, one epoll instance; a
// wake-up of a connection is one read and one write; every request found in a read is answered with
// the same bulk string, whatever it asked. It knows nothing of keys: what a cache adds to this is
// the cache's own cost.
//
//   tiercache-epoll-loop [--port PORT] [--value-size BYTES]
//
// It listens on 127.0.0.1 (port 0: a free one), prints the port, and runs until it is killed.
#include "command_line.hpp"
#include "request_counter.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using tiercache::epoll_loop::RequestCounter;

constexpr std::size_t kReadSize = std::size_t{64} * 1024;
constexpr std::size_t kRepliesAtOnce = 1024;
constexpr int kEvents = 256;
constexpr std::size_t kMaxValue = std::size_t{64} * 1024;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct Client {
  int socket;
  RequestCounter counter;
  std::size_t owed = 0;  // bytes of replies not written yet
  std::uint32_t watched = EPOLLIN;
};

// One reply many times over, so that a batch of them is one write without a copy.
class Replies {
 public:
  explicit Replies(std::size_t value_size) {
    const std::string one =
        "$" + std::to_string(value_size) + "\r\n" + std::string(value_size, 'x') + "\r\n";
    size_ = one.size();
    for (std::size_t i = 0; i < kRepliesAtOnce; ++i) {
      many_ += one;
    }
  }
  std::size_t size() const {
    return size_;
  }
  // The next bytes for a client to which `owed` bytes are owed; at least one reply less one byte.
  std::string_view next(std::size_t owed) const {
    const std::size_t begun = (size_ - owed % size_) % size_;  // of the reply that is on its way
    return std::string_view(many_).substr(begun, std::min(owed, many_.size() - begun));
  }

 private:
  std::string many_;
  std::size_t size_;
};

class Loop {
 public:
  Loop(int listener, std::size_t value_size) : listener_(listener), replies_(value_size) {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) {
      die("epoll_create1");
    }
    control(EPOLL_CTL_ADD, listener_, EPOLLIN, nullptr);
  }

  [[noreturn]] void run() {
    for (;;) {
      const int count = ::epoll_wait(epoll_, events_.data(), kEvents, -1);
      if (count < 0 && errno != EINTR) {
        die("epoll_wait");
      }
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events_[static_cast<std::size_t>(i)];
        if (event.data.ptr == nullptr) {
          accept_one();
        } else if (auto* client = static_cast<Client*>(event.data.ptr); !serve(*client)) {
          ::close(client->socket);
          delete client;  // the epoll instance held the only pointer to it
        }
      }
    }
  }

 private:
  void control(int operation, int socket, std::uint32_t events, Client* client) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = client;
    if (::epoll_ctl(epoll_, operation, socket, &event) != 0) {
      die("epoll_ctl");
    }
  }

  void accept_one() {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) {
      return;
    }
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    control(EPOLL_CTL_ADD, socket, EPOLLIN, std::make_unique<Client>(Client{socket, {}}).release());
  }

  // False when the connection is over. A client that does not take its replies is not read.
  bool serve(Client& client) {
    if (client.owed == 0) {
      const ssize_t got = ::read(client.socket, buffer_.data(), buffer_.size());
      if (got <= 0) {
        return got < 0 && errno == EAGAIN;
      }
      const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
      client.owed = client.counter.count(bytes) * replies_.size();
    }
    if (!send_owed(client)) {
      return false;
    }
    const std::uint32_t wanted = client.owed > 0 ? EPOLLOUT : EPOLLIN;
    if (wanted != client.watched) {
      client.watched = wanted;
      control(EPOLL_CTL_MOD, client.socket, wanted, &client);
    }
    return !client.counter.failed();
  }

  bool send_owed(Client& client) {
    while (client.owed > 0) {
      const std::string_view bytes = replies_.next(client.owed);
      const ssize_t sent = ::send(client.socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) {
        return errno == EAGAIN;
      }
      client.owed -= static_cast<std::size_t>(sent);
    }
    return true;
  }

  int listener_;
  int epoll_ = -1;
  Replies replies_;
  std::array<epoll_event, kEvents> events_{};
  std::array<char, kReadSize> buffer_{};
};

int listen_on(std::uint16_t port) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (listener < 0 || ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(listener, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::listen(listener, 1024) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    die("listening");
  }
  std::printf("%u\n", static_cast<unsigned>(ntohs(address.sin_port)));
  std::fflush(stdout);
  return listener;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t port = 0;
  std::size_t value_size = 64;
  bool understood = argc % 2 == 1;
  for (int i = 1; understood && i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const bool is_port = name == "--port";
    const auto value = tiercache::tools::to_number(argv[i + 1], 0, is_port ? 65535 : kMaxValue);
    understood = value && (is_port || name == "--value-size");
    (is_port ? port : value_size) = value.value_or(0);
  }
  if (!understood) {
    std::fprintf(stderr, "usage: tiercache-epoll-loop [--port PORT] [--value-size BYTES]\n");
    return 2;
  }
  const auto loop = std::make_unique<Loop>(listen_on(static_cast<std::uint16_t>(port)), value_size);
  loop->run();
}
