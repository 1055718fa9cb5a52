// Whether a replica has what its master has shown.
//
// Where reads go to a replica, so does the event link: to L1 that replica is Redis, and all that
// the shard promises holds against it. Writes go to the master, and so do reads that must. What the
// master has answered a client may not have come to the replica yet; until it has, that key is not
// read from the replica.
//
// Questions have numbers. A question asks the master how long its replication stream is, then waits
// until the replica has applied as much, then for a PING of the event link. Whoever shows a key
// marks its stripe with a number that only a question not asked yet can have (as with the numbers
// of PINGs, LinkStatus), before the reply is passed on: the question with that number is asked
// after the master answered, so it covers what was shown. Stripes: a collision sends a read to the
// master and never shows an old value.
//
// The shard keeps what the master answers too, as the only entry of its key (Fill::sole): what the
// replica has yet to do to the key comes as an event, whichever of the two was read. So a key that
// is written or read all the time is answered from L1 while the replica is behind. What several
// entries say together, or an entry and its TTL, is of one moment only once the replica has caught
// up.
//
// Thread: any, except where it says otherwise. Cost: a mark is a load and a compare-and-swap, a
// look four loads.
#pragma once

#include "tiercache/base/hash.hpp"
#include "tiercache/base/time.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace tiercache::coherence {

class CatchUp {
 public:
  static constexpr std::size_t kStripes = 16384;

  CatchUp() : stripes_(std::make_unique<std::atomic<std::uint64_t>[]>(kStripes)) {
  }

  // The master has answered something about the key, or has changed it.
  void shown(KeyHash hash) noexcept {
    raise(stripe(hash));
  }
  // It may have been any key.
  void shown_all() noexcept {
    raise(all_);
  }
  // Whether L1 may answer: it is at most `within` older than the master, and what scripts have
  // shown has come.
  bool fresh(Time now, Duration within) const noexcept {
    const std::uint64_t caught = caught_.load(std::memory_order_seq_cst);
    const Time at(Duration(caught_at_.load(std::memory_order_acquire)));
    return caught != 0 && now - at <= within && all_.load(std::memory_order_seq_cst) <= caught;
  }
  // Whether the master has shown of the key what the replica may not have. Look at fresh() too.
  bool behind(KeyHash hash) const noexcept {
    const std::uint64_t caught = caught_.load(std::memory_order_seq_cst);
    return stripe(hash).load(std::memory_order_seq_cst) > caught;
  }
  // The master process whose stream the replica is known to follow (LinkStatus::source); 0: none
  // is.
  std::uint64_t master_source() const noexcept {
    return master_source_.load(std::memory_order_seq_cst);
  }
  // Since when the replica may be behind; kNever: it has never caught up.
  Time caught_at() const noexcept {
    return caught_.load(std::memory_order_acquire) == 0
               ? kNever
               : Time(Duration(caught_at_.load(std::memory_order_acquire)));
  }

  // The control thread: before the question is sent to the master, on a connection to the server
  // that the links reach.
  std::uint64_t ask() noexcept {
    return asked_.fetch_add(1, std::memory_order_seq_cst) + 1;
  }
  // The control thread: the replica had all of it, and its events have been applied. `asked_at`:
  // when ask() was called. Questions of an earlier replica must not be answered any more.
  void caught_up(std::uint64_t question, Time asked_at) noexcept {
    caught_at_.store(asked_at.time_since_epoch().count(), std::memory_order_release);
    caught_.store(question, std::memory_order_seq_cst);
  }
  // The control thread. Whoever takes one away empties L1 after that: of what came from there
  // nobody tells any more.
  void set_master_source(std::uint64_t source) noexcept {
    master_source_.store(source, std::memory_order_seq_cst);
  }

 private:
  void raise(std::atomic<std::uint64_t>& mark) noexcept {
    const std::uint64_t next = asked_.load(std::memory_order_seq_cst) + 1;
    std::uint64_t now = mark.load(std::memory_order_relaxed);
    while (now < next && !mark.compare_exchange_weak(now, next, std::memory_order_seq_cst)) {
    }
  }
  std::atomic<std::uint64_t>& stripe(KeyHash hash) const noexcept {
    return stripes_[hash % kStripes];
  }

  std::atomic<std::uint64_t> asked_{0};
  std::atomic<std::uint64_t> caught_{0};
  std::atomic<std::int64_t> caught_at_{0};
  std::atomic<std::uint64_t> all_{0};
  std::atomic<std::uint64_t> master_source_{0};
  const std::unique_ptr<std::atomic<std::uint64_t>[]> stripes_;
};

}  // namespace tiercache::coherence
