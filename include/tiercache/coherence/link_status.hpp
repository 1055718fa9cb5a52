// What every reader must know about the event link: is the stream unbroken, and up to where has
// it been processed. Written by the event link's thread (the generation by any thread that
// flushes), read by all with a handful of loads; one cache line.
//
// Order matters in one place: events are applied to the shards before `acked` is stored, and a
// reader loads its View before it looks into a shard. So whoever sees PING n acknowledged finds
// every event applied that Redis emitted before it answered PING n.
#pragma once

#include "tiercache/base/time.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace tiercache::coherence {

enum class LinkState : std::uint8_t {
  down,     // no connection: nothing is served, nothing is committed
  syncing,  // subscribed, not proven yet: the same
  live,     // hits and commits
  suspect,  // a PONG is overdue: no hits, no commits, nothing is flushed
};

const char* name(LinkState state) noexcept;

// What keeps an entry true against writes that do not pass through the proxy.
enum class Proof : std::uint8_t {
  stream,  // Redis tells of every change, and PINGs prove that all of it has been heard
  age,     // nothing tells: an entry lives for max_staleness at most, and no fence can be had
};

// One reader's snapshot.
struct View {
  LinkState state = LinkState::down;
  Proof proof = Proof::stream;
  std::uint64_t generation = 0;  // entries and flights of another generation are dead
  std::uint64_t sent = 0;        // number of the newest PING sent
  std::uint64_t acked = 0;       // number of the newest PING answered, its events applied
  Time acked_at{};               // when that PING was sent
  std::uint64_t source = 0;      // identity of the server process (a hash of its run_id)

  // A number that only a PING not sent yet can have: once acknowledged, every write that was
  // visible before this call has been applied.
  std::uint64_t next_ping() const noexcept {
    return sent + 1;
  }
};

class LinkStatus {
 public:
  LinkStatus() = default;
  // For tests that copy whole worlds; not atomic as a whole.
  LinkStatus(const LinkStatus& other) noexcept;
  LinkStatus& operator=(const LinkStatus& other) noexcept;

  View view() const noexcept {
    View view;
    view.state = state_.load(std::memory_order_acquire);
    view.proof = proof_.load(std::memory_order_acquire);
    view.generation = generation_.load(std::memory_order_acquire);
    view.acked_at = Time(Duration(acked_at_.load(std::memory_order_acquire)));
    view.acked = acked_.load(std::memory_order_acquire);
    view.sent = sent_.load(std::memory_order_seq_cst);
    view.source = source_.load(std::memory_order_acquire);
    return view;
  }

  // Empties L1 in O(1): everything older is dead from here on. Any thread.
  void bump_generation() noexcept {
    generation_.fetch_add(1, std::memory_order_seq_cst);
  }

  // The rest belongs to the event link's thread.
  void set_state(LinkState state) noexcept {
    state_.store(state, std::memory_order_release);
  }
  // While the link is down.
  void set_proof(Proof proof) noexcept {
    proof_.store(proof, std::memory_order_release);
  }
  void set_source(std::uint64_t source) noexcept {
    source_.store(source, std::memory_order_release);
  }
  // Before the bytes of the PING leave.
  void set_sent(std::uint64_t ping) noexcept {
    sent_.store(ping, std::memory_order_seq_cst);
  }
  // After every event before the PONG has been applied. The number goes first: a reader that
  // sees the new time with the old number only waits longer.
  void set_acked(std::uint64_t ping, Time sent_at) noexcept {
    acked_.store(ping, std::memory_order_release);
    acked_at_.store(sent_at.time_since_epoch().count(), std::memory_order_release);
  }

 private:
  // Nothing else on its cache lines. Padding, not alignas(64): g++ 12's address sanitizer puts
  // locals where it likes.
  [[maybe_unused]] std::array<char, 64> before_{};
  std::atomic<LinkState> state_{LinkState::down};
  std::atomic<Proof> proof_{Proof::stream};
  std::atomic<std::uint64_t> generation_{1};
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<std::uint64_t> acked_{0};
  std::atomic<std::int64_t> acked_at_{0};
  std::atomic<std::uint64_t> source_{0};
  [[maybe_unused]] std::array<char, 64> after_{};
};

}  // namespace tiercache::coherence
