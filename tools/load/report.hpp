// What a run found, and how it is printed. Pure.
#pragma once

#include "tiercache/stats/histogram.hpp"

#include <cstdint>
#include <string>

namespace tiercache::load {

// One thread's counts. They are the thread's own until it has ended.
struct Tally {
  std::uint64_t replies = 0;
  std::uint64_t errors = 0;      // error replies
  std::uint64_t nulls = 0;       // null replies
  std::uint64_t unanswered = 0;  // asked, and the connection was lost or the patience at an end
  std::uint64_t late_ns = 0;     // open loop: the latest that a request left after it was due
  std::string first_error;       // a reply's text, or what became of a connection
  stats::Histogram latency;      // nanoseconds, one for each reply

  void merge(const Tally& other);
  bool good() const noexcept {
    return errors == 0 && unanswered == 0 && first_error.empty();
  }
};

// `seconds`: from the first request to the last reply.
std::string to_text(const Tally& tally, double seconds);
// One line. Times are in microseconds.
std::string to_json(const Tally& tally, double seconds);

}  // namespace tiercache::load
