// Waiting for a PING of the event link. A fence is asked for on an I/O thread, sent and
// acknowledged on the control thread, and released on the I/O thread again.
//
// FenceGate: one per I/O thread, used on that thread. What waits is released when its PING is
// acknowledged, or, when the event link is down or after `limit`, once L1 has been emptied, which
// is as good as a fence. So nothing waits for ever, and a wait that ends is always safe to act on.
//
// Fences: where the gates and the event link meet; one for the process, it outlives both. A
// request costs one compare-and-swap, and wakes the control thread only if nobody else has.
#pragma once

#include "tiercache/base/mutex.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/coherence/link_status.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace tiercache::l2 {

class FenceGate {
 public:
  virtual ~FenceGate() = default;
  // `release` runs later on this thread, never from within the call.
  virtual void wait(std::uint64_t ping, std::function<void()> release) = 0;
  virtual std::size_t waiting() const noexcept = 0;
};

// Of all gates together. Any thread may read.
struct FenceCounters {
  std::atomic<std::uint64_t> waits{0};
  std::atomic<std::uint64_t> timeouts{0};  // waits that ended at the limit
};

class Fences {
 public:
  class Listener {
   public:
    // On the control thread, under a mutex: only to post to the listener's own thread.
    virtual void on_fences() = 0;

   protected:
    ~Listener() = default;
  };

  // Any thread: this fence is waited for.
  void request(std::uint64_t ping);
  const FenceCounters& counters() const noexcept {
    return counters_;
  }
  FenceCounters& counters() noexcept {
    return counters_;
  }

  // For the event link, on its thread. `wake` is called on any thread, and must only post; it is
  // called at once if something is wanted already.
  void attach(std::function<void()> wake);
  void detach();
  // The newest fence asked for; the next request wakes again.
  std::uint64_t take_wanted() noexcept;
  // A fence was acknowledged, or the event link went down.
  void notify();

  // For the gates. A listener is not called any more once remove has returned.
  void add(Listener& listener);
  void remove(Listener& listener);

 private:
  FenceCounters counters_;
  std::atomic<std::uint64_t> wanted_{0};
  std::atomic<bool> woken_{false};
  Mutex mutex_;
  std::function<void()> wake_ TC_GUARDED_BY(mutex_);
  std::vector<Listener*> listeners_ TC_GUARDED_BY(mutex_);
};

// Used and destroyed on the thread that runs `io`, or while nobody runs it. What waits when it is
// destroyed is dropped.
std::unique_ptr<FenceGate> make_fence_gate(boost::asio::io_context& io, Fences& fences,
                                           coherence::LinkStatus& status, Duration limit);

}  // namespace tiercache::l2
