// One connection to the server: requests out, replies counted in, and for each batch of requests
// the time its latency counts from. Bytes that the kernel does not take wait here.
//
// Owner and thread: the worker's.
#pragma once

#include "pace.hpp"
#include "reply_counter.hpp"

#include "tiercache/base/result.hpp"
#include "tiercache/config/endpoint.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>

namespace tiercache::load {

// A connected socket that does not block; the caller's to close.
Result<int> connect_to(const config::Endpoint& target);

class Connection {
 public:
  // Owns the socket.
  explicit Connection(int socket) noexcept : socket_(socket) {
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  int socket() const noexcept {
    return socket_;
  }
  // Where requests are appended before begin_batch().
  std::string& output() noexcept {
    return output_;
  }
  // The requests just appended are a batch; its latency counts from `since`.
  void begin_batch(std::size_t requests, Time since) {
    waiting_.push_back({since, requests});
    outstanding_ += requests;
  }
  // False when the connection is lost.
  bool flush();
  bool has_output() const noexcept {
    return written_ < output_.size();
  }

  // One read; false when the connection is lost. `on_reply(Time since, size_t replies)` is called
  // for each batch of which replies have come.
  template <class OnReply>
  bool receive(std::span<char> buffer, OnReply&& on_reply);

  std::uint64_t outstanding() const noexcept {
    return outstanding_;
  }
  const ReplyCounter& replies() const noexcept {
    return replies_;
  }
  // Closes it; what it waits for will not come. Its counts stay.
  void close() noexcept;
  bool open() const noexcept {
    return socket_ >= 0;
  }

 private:
  struct Batch {
    Time since;
    std::size_t left;
  };
  // Bytes read; 0 if there are none yet, negative when the connection is lost.
  long read_some(std::span<char> buffer) const;

  int socket_;
  std::string output_;
  std::size_t written_ = 0;
  std::deque<Batch> waiting_;
  std::uint64_t outstanding_ = 0;
  ReplyCounter replies_;
};

template <class OnReply>
bool Connection::receive(std::span<char> buffer, OnReply&& on_reply) {
  const long got = read_some(buffer);
  if (got <= 0) {
    return got == 0;
  }
  std::size_t replies = replies_.count({buffer.data(), static_cast<std::size_t>(got)});
  if (replies_.failed() || replies > outstanding_) {
    return false;  // Not RESP, or an answer to nothing.
  }
  outstanding_ -= replies;
  while (replies > 0) {
    Batch& batch = waiting_.front();
    const std::size_t here = std::min(replies, batch.left);
    on_reply(batch.since, here);
    replies -= here;
    batch.left -= here;
    if (batch.left == 0) {
      waiting_.pop_front();
    }
  }
  return true;
}

}  // namespace tiercache::load
