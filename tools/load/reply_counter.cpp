#include "reply_counter.hpp"

#include <algorithm>

namespace tiercache::load {
namespace {

constexpr std::size_t kNullBulk = std::string_view("$-1\r\n").size();  // no other bulk is so short
constexpr std::size_t kKeptError = 200;

}  // namespace

std::size_t ReplyCounter::count(std::string_view bytes) {
  std::size_t replies = 0;
  while (!bytes.empty() && !failed_) {
    if (frame_size_ == 0) {
      replies += skip_alike(bytes);
      if (bytes.empty()) {
        break;
      }
      begin_frame(bytes);
    }
    const resp::ReplyScanner::Step step = scanner_.scan(bytes);
    failed_ = step.status == resp::ParseStatus::error;
    frame_size_ += step.consumed;
    if (step.status == resp::ParseStatus::complete) {
      end_frame(bytes.substr(0, step.consumed));
      ++replies;
    }
    bytes.remove_prefix(step.consumed);
  }
  return replies;
}

std::size_t ReplyCounter::skip_alike(std::string_view& bytes) const noexcept {
  std::size_t skipped = 0;
  while (alike_size_ > 0 && bytes.size() >= alike_size_ && bytes.starts_with(alike_head_)) {
    bytes.remove_prefix(alike_size_);
    ++skipped;
  }
  return skipped;
}

void ReplyCounter::begin_frame(std::string_view bytes) {
  if (bytes.front() == '-' && first_error_.empty()) {
    first_error_ = bytes.substr(1, std::min(bytes.find('\r'), kKeptError + 1) - 1);
  }
}

void ReplyCounter::end_frame(std::string_view tail) {
  const char type = scanner_.first_byte();
  if (type == '-') {
    ++errors_;
  } else if (type == '$' && frame_size_ == kNullBulk) {
    ++nulls_;
  } else if (type == '$' && frame_size_ == tail.size()) {
    alike_size_ = frame_size_;
    alike_head_ = tail.substr(0, tail.find('\n') + 1);
  }
  frame_size_ = 0;
}

}  // namespace tiercache::load
