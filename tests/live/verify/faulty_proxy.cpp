#include "faulty_proxy.hpp"

#include "client.hpp"

#include <chrono>
#include <cstdlib>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tiercache::testing {
namespace {

constexpr std::int64_t kRemembered = 40'000'000;  // ns
constexpr int kSeldom = 300;

std::int64_t now() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

// The words of the first whole command in `in`, which is removed; empty if there is none.
std::vector<std::string> take_command(std::string& in) {
  std::size_t at = 0;
  const auto number = [&]() -> long {
    const std::size_t end = in.find("\r\n", at);
    if (end == std::string::npos) {
      return -1;
    }
    const long value = std::strtol(in.c_str() + at + 1, nullptr, 10);
    at = end + 2;
    return value;
  };
  std::vector<std::string> words;
  const long count = number();
  for (long i = 0; i < count; ++i) {
    const long size = number();
    if (size < 0 || in.size() < at + static_cast<std::size_t>(size) + 2) {
      return {};
    }
    words.push_back(in.substr(at, static_cast<std::size_t>(size)));
    at += static_cast<std::size_t>(size) + 2;
  }
  if (!words.empty()) {
    in.erase(0, at);
  }
  return words;
}

std::string as_bulk(const std::string& text) {
  std::string out = "$";
  return out.append(std::to_string(text.size())).append("\r\n").append(text).append("\r\n");
}

bool send_all(int fd, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t n = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) {
      return false;
    }
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

// One client connection and its own connection to Redis.
class FaultyProxy::Relay {
 public:
  explicit Relay(FaultyProxy& proxy) : proxy_(proxy), redis_(proxy.redis_port_) {
  }

  std::string answer(const std::vector<std::string>& words) {
    ++commands_;
    in_transaction_ = (in_transaction_ || words[0] == "MULTI") && words[0] != "EXEC";
    if (in_transaction_) {
      return pass(words);
    }
    const bool seldom = commands_ % kSeldom == 0;
    switch (proxy_.fault_) {
      case ProxyFault::stale_reads:
        return words[0] == "GET" ? remembered(words) : pass(words);
      case ProxyFault::torn_mget:
        return words[0] == "MGET" ? one_by_one(words) : pass(words);
      case ProxyFault::forgets_watch:
        return words[0] == "WATCH" ? "+OK\r\n" : pass(words);
      case ProxyFault::drops_writes:
        return words[0] == "SET" && words.size() == 3 && seldom ? "+OK\r\n" : pass(words);
      case ProxyFault::flips_bits:
      case ProxyFault::short_reads:
        return words[0] == "GET" && seldom ? spoiled(words) : pass(words);
      case ProxyFault::survives_flush:
        return words[0] == "GET" ? kept(words) : pass(words);
      case ProxyFault::none:
        break;
    }
    return pass(words);
  }

 private:
  std::string pass(const std::vector<std::string>& words) {
    redis_.call(words);
    return redis_.last_raw();
  }

  std::string remembered(const std::vector<std::string>& words) {
    const std::scoped_lock lock(proxy_.mutex_);
    Remembered& entry = proxy_.remembered_[words[1]];
    if (entry.until < now()) {
      // Absence in the words of both protocols.
      const Value value = redis_.call(words);
      entry.reply = value.is_nil() ? "$-1\r\n" : redis_.last_raw();
      entry.until = now() + kRemembered;
    }
    return entry.reply;
  }

  std::string kept(const std::vector<std::string>& words) {
    const Value value = redis_.call(words);
    const std::scoped_lock lock(proxy_.mutex_);
    std::string& last = proxy_.remembered_[words[1]].reply;
    if (!value.is_nil()) {
      last = redis_.last_raw();
    }
    return last.empty() ? redis_.last_raw() : last;
  }

  std::string one_by_one(const std::vector<std::string>& words) {
    std::string reply = "*";
    reply.append(std::to_string(words.size() - 1)).append("\r\n");
    for (std::size_t i = 1; i < words.size(); ++i) {
      redis_.call("GET", words[i]);
      reply += redis_.last_raw();
      std::this_thread::yield();
    }
    return reply;
  }

  std::string spoiled(const std::vector<std::string>& words) {
    const Value value = redis_.call(words);
    if (value.is_nil() || value.text.empty()) {
      return redis_.last_raw();
    }
    std::string text = value.text;
    if (proxy_.fault_ == ProxyFault::flips_bits) {
      text.back() = static_cast<char>(text.back() ^ 1);
    } else {
      text.pop_back();
    }
    return as_bulk(text);
  }

  FaultyProxy& proxy_;
  Client redis_;
  bool in_transaction_ = false;
  int commands_ = 0;
};

FaultyProxy::FaultyProxy(std::uint16_t redis_port, ProxyFault fault)
    : redis_port_(redis_port), fault_(fault) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || ::bind(listener_, generic, size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, generic, &size) != 0) {
    throw std::runtime_error("faulty proxy: cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

FaultyProxy::~FaultyProxy() {
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  std::vector<std::thread> threads;
  {
    const std::scoped_lock lock(mutex_);
    for (const int fd : sockets_) {
      ::shutdown(fd, SHUT_RDWR);
    }
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const int fd : sockets_) {
    ::close(fd);
  }
  ::close(listener_);
}

void FaultyProxy::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      return;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::scoped_lock lock(mutex_);
    sockets_.push_back(fd);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void FaultyProxy::serve(int fd) {
  try {
    Relay relay(*this);
    std::string in;
    char buffer[16384];
    for (;;) {
      const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
      if (n <= 0) {
        break;
      }
      in.append(buffer, static_cast<std::size_t>(n));
      std::string out;
      for (auto words = take_command(in); !words.empty(); words = take_command(in)) {
        out += relay.answer(words);
      }
      if (!send_all(fd, out)) {
        break;
      }
    }
  } catch (const ClientError&) {
    // Redis is gone: so is this connection.
  }
  ::shutdown(fd, SHUT_RDWR);
}

}  // namespace tiercache::testing
