// The slowest requests of late: a ring of one thread, read by CACHE SLOWLOG.
//
// Owned by a worker, used on its thread. Pure: the time is a parameter. Memory: `max_len` entries
// of about 400 bytes at most.
#pragma once

#include "tiercache/stats/latency.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::proxy {

struct SlowEntry {
  std::uint64_t id = 0;  // unique over all threads, growing
  std::int64_t unix_s = 0;
  std::chrono::microseconds took{0};
  stats::Answered by = stats::Answered::other;
  std::vector<std::string> args;  // shortened; a last one says what is missing
  std::string peer;
  std::string name;
};

class SlowLog {
 public:
  // The oldest go when there are more.
  void add(SlowEntry entry, std::size_t max_len) {
    entries_.push_back(std::move(entry));
    while (entries_.size() > max_len) {
      entries_.pop_front();
    }
  }
  const std::deque<SlowEntry>& entries() const noexcept {
    return entries_;
  }
  void clear() noexcept {
    entries_.clear();
  }

 private:
  std::deque<SlowEntry> entries_;  // oldest first
};

// So much of a request is remembered while it is under way.
inline constexpr std::size_t kSlowHead = 96;

// The words of a request from its first bytes, as it came: RESP or inline. What is cut off is said.
std::vector<std::string> words_of_head(std::string_view head, std::size_t whole);

}  // namespace tiercache::proxy
