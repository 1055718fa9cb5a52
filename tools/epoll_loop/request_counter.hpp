// Counts the requests that end in what a client sent, as cheaply as can be, so that the loop that
// uses it stays a limit: by the ends of lines. It learns the number of lines a request has from the
// first one, "*2" being five lines: 2n + 1.
//
// REQUIRES: the requests of one connection have the same number of arguments, and no argument holds
// a line feed. What a load generator sends is like that. Pure; one per connection.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace tiercache::epoll_loop {

class RequestCounter {
 public:
  // How many requests end in `bytes`, which follow the bytes of the call before.
  std::size_t count(std::string_view bytes) noexcept {
    if (lines_per_request_ == 0 && !learn(bytes)) {
      return 0;
    }
    lines_ += static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), '\n'));
    const std::size_t requests = lines_ / lines_per_request_;
    lines_ %= lines_per_request_;
    return requests;
  }
  // After bytes that are no array of bulk strings: nothing is counted any more.
  bool failed() const noexcept {
    return failed_;
  }

 private:
  static constexpr std::size_t kMaxArguments = 1'000'000;

  // Reads the header "*n\r\n", which may come in pieces; true once it is known.
  bool learn(std::string_view& bytes) noexcept {
    while (!bytes.empty() && !failed_) {
      const char c = bytes.front();
      bytes.remove_prefix(1);
      if (!in_header_) {
        failed_ = c != '*';
        in_header_ = true;
      } else if (c >= '0' && c <= '9' && arguments_ <= kMaxArguments) {
        arguments_ = arguments_ * 10 + static_cast<std::size_t>(c - '0');
      } else if (c == '\n' && arguments_ > 0) {
        lines_per_request_ = 2 * arguments_ + 1;
        lines_ = 1;
        return true;
      } else {
        failed_ = c != '\r';
      }
    }
    return false;
  }

  std::size_t lines_per_request_ = 0;  // 0: not known yet
  std::size_t lines_ = 0;              // of the request that has begun
  std::size_t arguments_ = 0;
  bool in_header_ = false;
  bool failed_ = false;
};

}  // namespace tiercache::epoll_loop
