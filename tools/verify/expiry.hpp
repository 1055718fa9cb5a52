// When the states of expiring keys end: a state written with PX at `sent`, acknowledged at `acked`,
// cannot end before sent + PX and cannot be seen by a read sent after acked + PX. Redis and the
// checker share one machine's clock; the slack covers Redis's millisecond grain.
//
// Shared by all threads, lock-free. Remembers the last kDepth states of a key; an older one is
// neither early nor expired (the floors catch it).
#pragma once

#include "value.hpp"

#include <array>
#include <atomic>
#include <limits>
#include <vector>

namespace tiercache::verify {

using Nanos = std::int64_t;

class ExpiryBook {
 public:
  static constexpr std::size_t kDepth = 16;

  // For the keys [first, first + count).
  ExpiryBook(KeyId first, std::size_t count, Nanos slack)
      : first_(first), slack_(slack), rings_(count) {
  }

  // Before the write is sent, and when its reply has come.
  void on_sent(KeyId key, Version version, Nanos now, Nanos ttl) noexcept {
    Slot& slot = slot_of(key, version);
    slot.version.store(0, std::memory_order_release);
    slot.earliest.store(now + ttl - slack_, std::memory_order_relaxed);
    slot.latest.store(kUnknown, std::memory_order_relaxed);
    slot.version.store(version, std::memory_order_release);
  }
  void on_acked(KeyId key, Version version, Nanos now, Nanos ttl) noexcept {
    slot_of(key, version).latest.store(now + ttl + slack_, std::memory_order_release);
  }

  // The state was seen by a read sent at `sent`: was it over by then?
  bool is_expired(KeyId key, Version version, Nanos sent) const noexcept {
    const Slot& slot = slot_of(key, version);
    const Nanos latest = slot.latest.load(std::memory_order_acquire);
    return slot.version.load(std::memory_order_acquire) == version && sent > latest;
  }
  // The absence that follows the state was seen in a reply that had come by `replied`: too soon?
  bool is_early(KeyId key, Version version, Nanos replied) const noexcept {
    const Slot& slot = slot_of(key, version);
    const Nanos earliest = slot.earliest.load(std::memory_order_acquire);
    return slot.version.load(std::memory_order_acquire) == version && replied < earliest;
  }

 private:
  static constexpr Nanos kUnknown = std::numeric_limits<Nanos>::max();
  struct Slot {
    std::atomic<Version> version{0};
    std::atomic<Nanos> earliest{0};
    std::atomic<Nanos> latest{kUnknown};
  };
  // Only every other number is written; the ring is indexed by these.
  Slot& slot_of(KeyId key, Version version) noexcept {
    return rings_[key - first_][(version / 2) % kDepth];
  }
  const Slot& slot_of(KeyId key, Version version) const noexcept {
    return rings_[key - first_][(version / 2) % kDepth];
  }

  KeyId first_;
  Nanos slack_;
  std::vector<std::array<Slot, kDepth>> rings_;
};

}  // namespace tiercache::verify
