// Counts the replies that end in what a server sent, and looks at each no closer than whether it is
// an error or null. One per connection; one thread; pure.
//
// Cost: a bulk string spelled like the one before it (the usual case: values of one size) is two
// comparisons; anything else goes through the reply scanner.
#pragma once

#include "tiercache/resp/reply_scanner.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tiercache::load {

class ReplyCounter {
 public:
  // How many replies end in `bytes`, which follow the bytes of the call before.
  std::size_t count(std::string_view bytes);

  std::uint64_t errors() const noexcept {
    return errors_;
  }
  // Replies that are null as a whole: a GET of a missing key.
  std::uint64_t nulls() const noexcept {
    return nulls_;
  }
  // What the first error said, as far as it came in one piece.
  const std::string& first_error() const noexcept {
    return first_error_;
  }
  // After bytes that are not RESP: nothing is counted any more.
  bool failed() const noexcept {
    return failed_;
  }

 private:
  // Skips what looks like the bulk string before it; returns how many.
  std::size_t skip_alike(std::string_view& bytes) const noexcept;
  void begin_frame(std::string_view bytes);
  void end_frame(std::string_view tail);

  resp::ReplyScanner scanner_;
  std::size_t frame_size_ = 0;  // of the frame that has begun, as far as it has come
  std::string alike_head_;      // "$64\r\n" of the last bulk string that came in one piece
  std::size_t alike_size_ = 0;  // of all of it; 0: there is none yet
  std::uint64_t errors_ = 0;
  std::uint64_t nulls_ = 0;
  std::string first_error_;
  bool failed_ = false;
};

}  // namespace tiercache::load
