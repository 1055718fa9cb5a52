// The slowest requests of late: a ring of one thread, read by CACHE SLOWLOG.
//
// A proxy that is driven to its limit finds every request slow, so an entry costs little: its bytes
// are kept as they came and read when somebody asks, and the ring is used again in place.
//
// Owned by a worker, used on its thread. Pure: the time is a parameter. Memory: `max_len` entries
// of about 400 bytes at most.
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/stats/latency.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::proxy {

// So much of a request is remembered while it is under way.
inline constexpr std::size_t kSlowHead = 96;

struct SlowEntry {
  std::uint64_t id = 0;  // unique over all threads, growing
  Time ended{};
  std::chrono::microseconds took{0};
  stats::Answered by = stats::Answered::other;
  std::uint8_t head_size = 0;
  std::array<char, kSlowHead> head{};  // the request's first bytes as it came, RESP or inline
  std::size_t size = 0;                // of all of it
  std::uint32_t hits = 0;  // so many requests at a time, and head has their name; 0: one
  std::string peer;
  std::string name;

  // At most kSlowHead of it.
  void set_head(std::string_view text) noexcept;
};

class SlowLog {
 public:
  // One more, all of which is to be set: it may have been the oldest, which goes when there are
  // more than max_len. Null: none is kept.
  SlowEntry* add(std::size_t max_len);
  const std::deque<SlowEntry>& entries() const noexcept {
    return entries_;
  }
  void clear() noexcept {
    entries_.clear();
  }

 private:
  std::deque<SlowEntry> entries_;  // oldest first
};

// The words of what was asked, as far as they are remembered. What is cut off is said; secrets are
// not shown, as Redis keeps passwords out of its own log.
std::vector<std::string> words_of(const SlowEntry& entry);

}  // namespace tiercache::proxy
