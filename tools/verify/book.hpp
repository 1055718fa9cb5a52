// What all sessions know of every key together: the last state sent, and the floors below which no
// later read may fall, one for each lane (a proxy, or Redis itself) and one for writes that have
// been acknowledged for max_staleness.
//
// Shared by all threads, lock-free; a key is one cache line. A floor is loaded before a command is
// written to its socket and raised only after the reply has been parsed: so whoever loads it knows
// that the raising operation was complete before his own began.
#pragma once

#include "value.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <vector>

namespace tiercache::verify {

inline constexpr std::size_t kMaxProxies = 4;
inline constexpr std::size_t kMaxLanes = kMaxProxies + 1;
using Lane = std::uint8_t;  // the proxies in their order, then Redis itself

class Book {
 public:
  explicit Book(std::vector<KeyInfo> keys) : infos_(std::move(keys)), states_(infos_.size()) {
  }

  std::size_t size() const noexcept {
    return infos_.size();
  }
  const KeyInfo& info(KeyId key) const noexcept {
    return infos_[key];
  }

  Version issued(KeyId key) const noexcept {
    return states_[key].issued.load(std::memory_order_acquire);
  }
  Version incarnation(KeyId key) const noexcept {
    return incarnation_of(issued(key));
  }
  // Announces `count` further states before they are sent; returns the first. The writer of a key
  // is one, but renew() may come from anywhere.
  Version issue(KeyId key, Version count = 1) noexcept {
    return states_[key].issued.fetch_add(count, std::memory_order_acq_rel) + 1;
  }
  // The same for a state that the writer has computed from what it read.
  void issue_up_to(KeyId key, Version version) noexcept {
    raise(states_[key].issued, version);
  }
  // The key starts again, absent, under its next name. REQUIRES: incarnations are left.
  void renew(KeyId key) noexcept {
    std::atomic<Version>& cell = states_[key].issued;
    Version now = cell.load(std::memory_order_relaxed);
    while (!cell.compare_exchange_weak(now, make_version(incarnation_of(now) + 1, 0),
                                       std::memory_order_acq_rel)) {
    }
  }

  Version floor(Lane lane, KeyId key) const noexcept {
    return states_[key].floors[lane].load(std::memory_order_acquire);
  }
  Version direct_floor(KeyId key) const noexcept {
    return states_[key].direct.load(std::memory_order_acquire);
  }
  void raise_floor(Lane lane, KeyId key, Version version) noexcept {
    raise(states_[key].floors[lane], version);
  }
  void raise_direct_floor(KeyId key, Version version) noexcept {
    raise(states_[key].direct, version);
  }

 private:
  static void raise(std::atomic<Version>& cell, Version version) noexcept {
    Version now = cell.load(std::memory_order_relaxed);
    while (now < version && !cell.compare_exchange_weak(now, version, std::memory_order_acq_rel)) {
    }
  }

  struct alignas(64) State {
    std::atomic<Version> issued{0};
    std::atomic<Version> direct{0};
    std::array<std::atomic<Version>, kMaxLanes> floors{};
  };
  std::vector<KeyInfo> infos_;
  std::vector<State> states_;
};

}  // namespace tiercache::verify
