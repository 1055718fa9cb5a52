// What a session did lately, so that a violation can be told as a story: a ring of the last steps,
// one a key, with the times of the batch they belong to.
//
// Owned by a session, used on its thread only. kDepth * 32 bytes; record() writes half a line.
#pragma once

#include "expiry.hpp"
#include "op.hpp"

#include <array>
#include <string>
#include <vector>

namespace tiercache::verify {

struct Step {
  enum class Result : std::uint8_t { seen, written, failed };
  Nanos sent = 0;
  Nanos replied = 0;
  KeyId key = 0;
  Version version = 0;  // incarnation, and the number seen or written
  OpKind kind = OpKind::ok;
  Result result = Result::seen;
  Seen::Kind seen = Seen::Kind::value;
};

struct TraceLine {
  Step step;
  std::string who;
  std::uint32_t times = 1;  // in a row within one batch
};

class Trace {
 public:
  static constexpr std::size_t kDepth = 1024;

  void record(const Step& step) noexcept {
    ring_[next_++ % kDepth] = step;
  }
  void collect(KeyId key, const std::string& who, std::vector<TraceLine>& out) const {
    for (const Step& step : ring_) {
      if (step.key == key && step.replied != 0) {
        out.push_back({step, who});
      }
    }
  }

 private:
  std::array<Step, kDepth> ring_{};
  std::size_t next_ = 0;
};

// Time order, steps repeated within a batch joined, and of that the last `before` lines up to `at`
// and a few after it.
void arrange(std::vector<TraceLine>& lines, Nanos at, std::size_t before);
// What came of the step, in a few words.
std::string describe(const Step& step);
// One line for people; times in microseconds from `origin`.
std::string to_text(const TraceLine& line, Nanos origin);

}  // namespace tiercache::verify
