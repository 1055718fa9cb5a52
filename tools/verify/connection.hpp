// A non-blocking TCP connection to a proxy or to Redis: bytes out, bytes in, nothing else. It never
// blocks; whoever owns it waits for its descriptor and calls flush() and fill().
//
// One owner, one thread. A full send keeps no copy. The input buffer grows to the largest reply.
#pragma once

#include "plan.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace tiercache::verify {

class Connection {
 public:
  enum class Io : std::uint8_t { done, again, closed };

  Connection() = default;
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Begins to connect; false if that fails at once. Writable means: ask is_connected().
  bool open(const Endpoint& endpoint);
  bool is_connected() const;
  void close();
  int fd() const noexcept {
    return fd_;
  }

  // What is to be sent next; append to it, then flush().
  std::string& out() noexcept {
    return out_;
  }
  Io flush();
  bool has_unsent() const noexcept {
    return sent_ < out_.size();
  }

  // Reads what there is, at least once.
  Io fill();
  std::string_view input() const noexcept {
    return {in_.data() + begin_, end_ - begin_};
  }
  void consume(std::size_t size) noexcept {
    begin_ += size;
  }

 private:
  int fd_ = -1;
  std::string out_{};
  std::size_t sent_ = 0;
  std::string in_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace tiercache::verify
