#include "client.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tiercache::testing {
namespace {

constexpr std::size_t kMaxFill = 16U << 20U;

using std::chrono::milliseconds;
using std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
  throw ClientError("test client: " + what);
}

[[noreturn]] void fail_errno(const std::string& what) {
  fail(what + ": " + std::strerror(errno));
}

// True when ready, false at the deadline.
bool wait_for(int fd, short events, steady_clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready > 0) {
      return true;
    }
    if (ready == 0) {
      return false;
    }
    if (errno != EINTR) {
      fail_errno("poll");
    }
  }
}

std::int64_t to_integer(std::string_view text) {
  std::int64_t value = 0;
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail("not a number in the reply: " + std::string(text));
  }
  return value;
}

}  // namespace

const Value* Value::find(std::string_view key) const {
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].text == key) {
      return &items[i + 1];
    }
  }
  return nullptr;
}

std::string Value::to_string() const {
  switch (type) {
    case Type::nil:
      return "(nil)";
    case Type::error:
      return "(error) " + text;
    case Type::integer:
      return std::to_string(integer);
    case Type::boolean:
      return integer != 0 ? "(true)" : "(false)";
    case Type::bulk:
      return '"' + text + '"';
    case Type::simple:
    case Type::real:
    case Type::big:
      return text;
    case Type::array:
    case Type::map:
    case Type::set:
    case Type::push:
      break;
  }
  std::string out = type == Type::map ? "%[" : type == Type::set ? "~[" : "[";
  if (type == Type::push) {
    out = ">[";
  }
  for (const Value& item : items) {
    if (&item != items.data()) {
      out += ", ";
    }
    out += item.to_string();
  }
  return out + "]";
}

Client::Client(std::uint16_t port, milliseconds timeout) : timeout_(timeout) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) {
    fail_errno("socket");
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int error = 0;
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    error = errno;
  }
  if (error == EINPROGRESS || error == EINTR) {
    error = wait_for(fd_, POLLOUT, steady_clock::now() + timeout_) ? 0 : ETIMEDOUT;
    socklen_t size = sizeof error;
    if (error == 0) {
      ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    }
  }
  if (error != 0) {
    close();
    errno = error;
    fail_errno("connect to port " + std::to_string(port));
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Client::~Client() {
  close();
}

Client::Client(Client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      timeout_(other.timeout_),
      in_(std::move(other.in_)),
      read_pos_(std::exchange(other.read_pos_, 0)),
      last_raw_(std::move(other.last_raw_)) {
}

Client& Client::operator=(Client&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
    timeout_ = other.timeout_;
    in_ = std::move(other.in_);
    read_pos_ = std::exchange(other.read_pos_, 0);
    last_raw_ = std::move(other.last_raw_);
  }
  return *this;
}

Value Client::call(std::span<const std::string_view> args) {
  send(args);
  return read();
}

Value Client::call(const std::vector<std::string>& args) {
  send(args);
  return read();
}

std::string Client::encode(std::span<const std::string_view> args) {
  std::string out("*");
  const auto line = [&out](std::size_t number) {
    out.append(std::to_string(number)).append("\r\n");
  };
  line(args.size());
  for (const std::string_view arg : args) {
    out.push_back('$');
    line(arg.size());
    out.append(arg).append("\r\n");
  }
  return out;
}

void Client::send(const std::vector<std::string>& args) {
  const std::vector<std::string_view> views(args.begin(), args.end());
  send(std::span(views));
}

void Client::send(std::span<const std::string_view> args) {
  send_raw(encode(args));
}

void Client::send_raw(std::string_view bytes) {
  if (fd_ < 0) {
    fail("not connected");
  }
  const Deadline deadline = steady_clock::now() + timeout_;
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_for(fd_, POLLOUT, deadline)) {
        fail("timeout while sending");
      }
    } else if (errno != EINTR) {
      fail_errno("send");
    }
  }
}

Value Client::read() {
  std::optional<Value> value = try_read(timeout_);
  if (!value) {
    fail("no reply within " + std::to_string(timeout_.count()) + " ms; buffered " +
         std::to_string(in_.size()) + " bytes");
  }
  return std::move(*value);
}

std::optional<Value> Client::try_read(milliseconds timeout) {
  const Deadline deadline = steady_clock::now() + timeout;
  while (true) {
    Value value;
    std::size_t pos = read_pos_;
    if (pos < in_.size() && parse(pos, value, 0)) {
      last_raw_.assign(in_, read_pos_, pos - read_pos_);
      read_pos_ = pos;
      return value;
    }
    in_.erase(0, std::exchange(read_pos_, 0));
    switch (fill(deadline)) {
      case Fill::data:
        break;
      case Fill::timeout:
        return std::nullopt;
      case Fill::closed:
        fail("the peer closed the connection; buffered " + std::to_string(in_.size()) + " bytes");
    }
  }
}

void Client::settle() {
  call("EVAL", "return 1", "0");
}

bool Client::wait_closed(milliseconds timeout) {
  const Deadline deadline = steady_clock::now() + timeout;
  while (true) {
    in_.clear();
    read_pos_ = 0;
    switch (fill(deadline)) {
      case Fill::data:
        break;
      case Fill::timeout:
        return false;
      case Fill::closed:
        return true;
    }
  }
}

void Client::shutdown_write() {
  if (::shutdown(fd_, SHUT_WR) != 0) {
    fail_errno("shutdown");
  }
}

void Client::close() {
  if (fd_ >= 0) {
    ::close(std::exchange(fd_, -1));
  }
}

Client::Fill Client::fill(Deadline deadline) {
  if (fd_ < 0) {
    fail("not connected");
  }
  // Takes what is there, so that a large reply is parsed anew a few times, not for each segment.
  char chunk[65536];
  bool any = false;
  for (std::size_t total = 0; total < kMaxFill;) {
    const ssize_t got = ::recv(fd_, chunk, sizeof chunk, 0);
    if (got > 0) {
      in_.append(chunk, static_cast<std::size_t>(got));
      total += static_cast<std::size_t>(got);
      any = true;
    } else if (any) {
      break;  // an end or an error shows again at the next call
    } else if (got == 0 || errno == ECONNRESET || errno == EPIPE) {
      return Fill::closed;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_for(fd_, POLLIN, deadline)) {
        return Fill::timeout;
      }
    } else if (errno != EINTR) {
      fail_errno("recv");
    }
  }
  return Fill::data;
}

bool Client::parse_line(std::size_t& pos, std::string_view& line) const {
  const std::size_t end = in_.find("\r\n", pos);
  if (end == std::string::npos) {
    return false;
  }
  line = std::string_view(in_).substr(pos, end - pos);
  pos = end + 2;
  return true;
}

bool Client::parse_items(std::size_t& pos, Value& out, std::int64_t count, int depth) const {
  if (count < 0) {
    out.type = Value::Type::nil;
    return true;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    if (!parse(pos, out.items.emplace_back(), depth + 1)) {
      return false;
    }
  }
  return true;
}

bool Client::parse(std::size_t& pos, Value& out, int depth) const {
  if (depth > kMaxDepth) {
    fail("a reply nested too deeply");
  }
  std::string_view line;
  if (!parse_line(pos, line)) {
    return false;
  }
  if (line.empty()) {
    fail("an empty line where a reply should start");
  }
  const char tag = line.front();
  const std::string_view rest = line.substr(1);
  const auto aggregate = [&](Value::Type type, std::int64_t factor) {
    out.type = type;
    return parse_items(pos, out, to_integer(rest) * factor, depth);
  };
  const auto scalar = [&](Value::Type type) {
    out.type = type;
    out.text = rest;
    return true;
  };
  switch (tag) {
    case '+':
      return scalar(Value::Type::simple);
    case '-':
      return scalar(Value::Type::error);
    case ',':
      return scalar(Value::Type::real);
    case '(':
      return scalar(Value::Type::big);
    case ':':
      out.integer = to_integer(rest);
      out.type = Value::Type::integer;
      return true;
    case '#':
      out.integer = rest == "t" ? 1 : 0;
      out.type = Value::Type::boolean;
      return true;
    case '_':
      out.type = Value::Type::nil;
      return true;
    case '*':
      return aggregate(Value::Type::array, 1);
    case '~':
      return aggregate(Value::Type::set, 1);
    case '>':
      return aggregate(Value::Type::push, 1);
    case '%':
      return aggregate(Value::Type::map, 2);
    case '|': {
      Value attributes;
      return parse_items(pos, attributes, to_integer(rest) * 2, depth) && parse(pos, out, depth);
    }
    case '$':
    case '=':
    case '!': {
      const std::int64_t size = to_integer(rest);
      if (size < 0) {
        out.type = Value::Type::nil;
        return true;
      }
      const auto length = static_cast<std::size_t>(size);
      if (in_.size() - pos < length + 2) {
        return false;
      }
      if (in_.compare(pos + length, 2, "\r\n") != 0) {
        fail("a string that does not end where its length says");
      }
      out.type = tag == '!' ? Value::Type::error : Value::Type::bulk;
      out.text = in_.substr(pos, length);
      if (tag == '=' && out.text.size() >= 4) {
        out.text.erase(0, 4);
      }
      pos += length + 2;
      return true;
    }
    default:
      fail("unknown reply type in line: " + std::string(line.substr(0, 80)));
  }
}

}  // namespace tiercache::testing
