// Waiting for a PING of the event link. A fence is asked for on an I/O thread, sent and
// acknowledged on the control thread, and released on the I/O thread again.
//
// FenceGate: one per I/O thread, used on that thread. What waits is released when its PING is
// acknowledged, when the event link is down (then L1 serves nothing, and nothing older survives),
// or after `limit`: then L1 is emptied first, which is as good as a fence. So nothing waits for
// ever, and a wait that ends is always safe to act on.
#pragma once

#include "tiercache/base/time.hpp"

#include <cstdint>
#include <functional>
#include <memory>

namespace tiercache::l2 {

class FenceGate {
 public:
  virtual ~FenceGate() = default;
  // `release` runs later on this thread, never from within the call.
  virtual void wait(std::uint64_t ping, std::function<void()> release) = 0;
  virtual std::size_t waiting() const noexcept = 0;
};

}  // namespace tiercache::l2
