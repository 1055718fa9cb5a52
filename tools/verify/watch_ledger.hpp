// The books of the counters that clients increment by WATCH, GET, MULTI, SET, EXEC: every EXEC that
// succeeded has added one, and nothing else has. An EXEC without an answer may have.
//
// Shared by all threads, lock-free. One account for each incarnation of a key, because a key that
// lost its data starts from nothing.
#pragma once

#include "value.hpp"

#include <array>
#include <atomic>
#include <vector>

namespace tiercache::verify {

class WatchLedger {
 public:
  WatchLedger(KeyId first, std::size_t count) : first_(first), accounts_(count) {
  }

  void on_success(KeyId key, Version incarnation) noexcept {
    account(key, incarnation).successes.fetch_add(1, std::memory_order_relaxed);
  }
  void on_unknown(KeyId key, Version incarnation) noexcept {
    account(key, incarnation).unknown.fetch_add(1, std::memory_order_relaxed);
  }
  std::uint32_t successes(KeyId key, Version incarnation) const noexcept {
    return account(key, incarnation).successes.load(std::memory_order_relaxed);
  }
  // Does the counter's value at the end agree?
  bool adds_up(KeyId key, Version incarnation, std::uint32_t value) const noexcept {
    const Account& a = account(key, incarnation);
    const std::uint32_t least = a.successes.load(std::memory_order_relaxed);
    return value >= least && value <= least + a.unknown.load(std::memory_order_relaxed);
  }

 private:
  struct Account {
    std::atomic<std::uint32_t> successes{0};
    std::atomic<std::uint32_t> unknown{0};
  };
  Account& account(KeyId key, Version incarnation) noexcept {
    return accounts_[key - first_][incarnation];
  }
  const Account& account(KeyId key, Version incarnation) const noexcept {
    return accounts_[key - first_][incarnation];
  }

  KeyId first_;
  std::vector<std::array<Account, kMaxIncarnation + 1>> accounts_;
};

}  // namespace tiercache::verify
