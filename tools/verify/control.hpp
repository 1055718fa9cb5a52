// A blocking client for the checker's own questions: CACHE STATS, INFO, the staleness probes, the
// comparison at the end. One command at a time, or a batch.
//
// One owner, one thread. Every wait ends after the timeout; then the connection is closed, and the
// next call opens it again.
#pragma once

#include "connection.hpp"
#include "replies.hpp"

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::verify {

class Control {
 public:
  explicit Control(Endpoint endpoint, int timeout_ms = 5000)
      : endpoint_(std::move(endpoint)), timeout_ms_(timeout_ms) {
  }

  // The reply is valid until the next call; nothing if the peer does not answer.
  std::optional<Reply> call(std::initializer_list<std::string_view> words);
  // Queues a command; flush() sends all that are queued, next() takes one reply each.
  void queue(const std::vector<std::string>& words);
  bool flush();
  std::optional<Reply> next();
  // The bytes of the last reply.
  std::string_view raw() const noexcept {
    return raw_;
  }
  void close() {
    connection_.close();
    taken_ = 0;
  }

 private:
  bool ensure_open();
  bool wait(short events);

  Endpoint endpoint_;
  int timeout_ms_;
  Connection connection_{};
  std::unique_ptr<ReplyParser> parser_ = std::make_unique<ReplyParser>();
  std::string queued_{};
  std::string_view raw_{};
  std::size_t taken_ = 0;  // of the input, by the reply handed out last
};

}  // namespace tiercache::verify
