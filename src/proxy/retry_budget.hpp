// How many reads may be sent once more after their link was lost: a share of what was sent lately.
// Where much is lost again and again it is soon used up, so that what is wrong with a server, or
// with the way to it, is not made worse by asking it twice.
//
// Pure; one a thread, used on it. Seconds are what its owner says they are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tiercache::proxy {

class RetryBudget {
 public:
  // Of how many seconds the requests count, and the retries.
  static constexpr std::size_t kSeconds = 10;
  // Besides, in these seconds: a thread that is idle but for a few clients loses them all at once.
  static constexpr std::uint64_t kFloor = 100;

  // Another second begins. `sent`: requests so far, since the start; never less than before.
  void tick(std::uint64_t sent) noexcept {
    now_ = (now_ + 1) % kSeconds;
    seconds_[now_] = {sent, 0};
  }
  // Whether one more may be sent again; it is counted. `percent` of the requests; 0: none at all.
  bool take(std::uint64_t sent, std::uint32_t percent) noexcept {
    if (percent == 0) {
      return false;
    }
    std::uint64_t used = 0;
    for (const Second& second : seconds_) {
      used += second.retries;
    }
    const std::uint64_t lately = sent - seconds_[(now_ + 1) % kSeconds].sent_before;
    if (used >= kFloor + lately * percent / 100) {
      return false;
    }
    seconds_[now_].retries++;
    return true;
  }

 private:
  struct Second {
    std::uint64_t sent_before = 0;
    std::uint64_t retries = 0;
  };
  std::array<Second, kSeconds> seconds_{};
  std::size_t now_ = 0;
};

}  // namespace tiercache::proxy
