// A small blocking RESP client for live tests: it connects to 127.0.0.1, sends commands, reads one
// reply at a time into a value tree. It speaks RESP2 and RESP3 (after call("HELLO", "3")) and
// shares no code with the proxy, so that a bug there cannot hide behind the same bug here.
//
// Owner: the test that makes it, on the stack. One thread at a time.
// Waiting: every wait for the peer is bounded by the timeout given at construction (default 5 s);
// past it, and when the peer closes or breaks the protocol, ClientError is thrown: doctest shows
// it as a failure of the test. A Redis error reply is a Value, not an exception.
// Pipelining: send() several, then read() as many; nothing is matched up. Push messages are
// ordinary values (Type::push) in the order in which they arrive.
// Limits: a reply nests at most kMaxDepth levels; its size is bounded by memory only.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::testing {

struct ClientError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Value {
  enum class Type : std::uint8_t {
    simple,   // +
    error,    // - and RESP3's !
    integer,  // :
    bulk,     // $ and RESP3's verbatim =
    nil,      // $-1, *-1 and RESP3's _
    array,    // *
    real,     // ,
    boolean,  // #
    big,      // (
    map,      // %: items are key, value, key, value
    set,      // ~
    push,     // >
  };

  Type type = Type::nil;
  std::string text;            // simple, error, bulk, big, real: as sent (verbatim: without "txt:")
  std::int64_t integer = 0;    // integer; boolean: 0 or 1
  std::vector<Value> items{};  // array, map, set, push

  bool is_error() const {
    return type == Type::error;
  }
  bool is_nil() const {
    return type == Type::nil;
  }
  bool is_aggregate() const {
    return type == Type::array || type == Type::map || type == Type::set || type == Type::push;
  }
  // The value under `key` in a map or in a flat key, value, key, value array; nullptr if absent.
  const Value* find(std::string_view key) const;
  // One line for people: like redis-cli's, nested in brackets.
  std::string to_string() const;

  bool operator==(const Value&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Value& value) {
    return out << value.to_string();
  }
};

class Client {
 public:
  static constexpr int kMaxDepth = 64;
  static constexpr std::chrono::milliseconds kDefaultTimeout{5000};

  // Connects, or throws ClientError.
  explicit Client(std::uint16_t port, std::chrono::milliseconds timeout = kDefaultTimeout);
  ~Client();
  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Sends one command and reads one reply. call("SET", "k", "v")
  template <class... Args>
  requires(std::convertible_to<const Args&, std::string_view>&&...) Value
      call(const Args&... args) {
    const std::initializer_list<std::string_view> list{std::string_view(args)...};
    return call(std::span(list.begin(), list.size()));
  }
  Value call(std::span<const std::string_view> args);
  Value call(const std::vector<std::string>& args);

  template <class... Args>
  requires(std::convertible_to<const Args&, std::string_view>&&...) void send(const Args&... args) {
    const std::initializer_list<std::string_view> list{std::string_view(args)...};
    send(std::span(list.begin(), list.size()));
  }
  void send(std::span<const std::string_view> args);
  void send(const std::vector<std::string>& args);
  // The bytes that send() sends.
  static std::string encode(std::span<const std::string_view> args);
  // Bytes as they are: inline commands, broken frames, halves of frames.
  void send_raw(std::string_view bytes);

  // The next reply or push message. RESP3 attributes before it are skipped.
  Value read();
  // The same with a timeout of its own; nothing if no whole reply has come by then (what has
  // arrived of it stays buffered). Throws ClientError if the peer has closed.
  std::optional<Value> try_read(std::chrono::milliseconds timeout);
  // The exact bytes of the reply that was read last, attributes included.
  const std::string& last_raw() const {
    return last_raw_;
  }

  // Of a tiercache: waits until the events of all that this client wrote have been applied there.
  // Until then an event of an own write may still empty what the next read keeps. (The reply of a
  // script is held for exactly that.)
  void settle();
  // Waits until the peer closes, and drops what it sends before. False on timeout.
  bool wait_closed(std::chrono::milliseconds timeout);
  // Ends our sending side only; replies can still be read.
  void shutdown_write();
  void close();
  bool is_open() const {
    return fd_ >= 0;
  }
  int fd() const {
    return fd_;
  }
  void set_timeout(std::chrono::milliseconds timeout) {
    timeout_ = timeout;
  }

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  enum class Fill : std::uint8_t { data, timeout, closed };

  // Waits until more bytes are buffered.
  Fill fill(Deadline deadline);
  // Parses one value at `pos`; false if it is not whole yet. Moves `pos` behind it.
  bool parse(std::size_t& pos, Value& out, int depth) const;
  bool parse_items(std::size_t& pos, Value& out, std::int64_t count, int depth) const;
  bool parse_line(std::size_t& pos, std::string_view& line) const;

  int fd_ = -1;
  std::chrono::milliseconds timeout_{};
  std::string in_{};
  std::size_t read_pos_ = 0;  // what lies before it in `in_` has been returned
  std::string last_raw_{};
};

}  // namespace tiercache::testing
