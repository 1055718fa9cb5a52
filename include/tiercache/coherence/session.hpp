// What one client session must remember so that its own reads and writes stay in order around L1.
// Pure; owned by the session, used on its thread. About half a kilobyte.
//
// A session has one link at a time (shared with others, or its own while pinned). Requests on a
// link are answered in order, so a later read there is never older than an earlier one. Answers
// that come past the link, hits and flights of other links, need the rules below.
#pragma once

#include "tiercache/base/hash.hpp"
#include "tiercache/coherence/link_status.hpp"
#include "tiercache/coherence/rules.hpp"

#include <array>
#include <cstdint>

namespace tiercache::coherence {

// How far a read may look for an answer that is not Redis's reply to itself.
enum class Look : std::uint8_t {
  all,   // a hit, or any flight
  own,   // a flight of the session's own link that was sent after its older reads of the key
  none,  // only upstream
};

struct Reach {
  Look look = Look::all;
  std::uint64_t newest_read =
      0;  // for Look::own: flights before this number on the link are too old
};

// What to do with the reply of a script.
enum class ScriptMode : std::uint8_t {
  strict,   // hold it until the fence: no client of the proxy can read an older value afterwards
  session,  // forward it, and keep this session from L1 until the fence
};

template <Rules R = Rules{}>
class BasicSession {
 public:
  Reach reach(KeyHash key, const View& view) const noexcept {
    if (R.watch_bypasses && upstream_only_) {
      return {Look::none};
    }
    if (R.no_hit_past_wide_write && wide_writes_ > 0) {
      return {Look::none};
    }
    if (R.session_fence && fence_ > view.acked) {
      return {Look::none};
    }
    const Bucket& bucket = reads_[index(key)];
    if (R.no_hit_past_read && bucket.outstanding > 0) {
      return {Look::own, bucket.newest};
    }
    return {};
  }

  // A read of the key was sent, or joined the flight that has this number on the link.
  void on_read_sent(KeyHash key, std::uint64_t link_seq) noexcept {
    Bucket& bucket = reads_[index(key)];
    bucket.outstanding++;
    if (link_seq > bucket.newest) {
      bucket.newest = link_seq;
    }
  }
  void on_read_done(KeyHash key) noexcept {
    Bucket& bucket = reads_[index(key)];
    bucket.outstanding--;
    if (bucket.outstanding == 0) {
      bucket.newest = 0;
    }
  }

  // Wide writes: commands that may write keys they do not declare, scripts and flushes. While one
  // is outstanding, an entry or a flight may be from before it.
  void on_wide_write_sent() noexcept {
    wide_writes_++;
  }
  // The reply of a script has arrived. Returns the PING whose acknowledgement it must wait for;
  // 0: forward now. (A flush needs no fence: its own new generation does it.) Where no fence can be
  // had the wait ends by emptying L1, so there is no milder mode.
  std::uint64_t on_wide_write_reply(const View& view, ScriptMode mode) noexcept {
    if (!R.hold_scripts) {
      return 0;
    }
    if (mode == ScriptMode::session && view.proof == Proof::stream) {
      fence_ = view.next_ping();
      return 0;
    }
    return view.next_ping();
  }
  void on_wide_write_done() noexcept {
    wide_writes_--;
  }

  // WATCH, MULTI or any other reason to have a link of its own.
  void set_upstream_only(bool on) noexcept {
    upstream_only_ = on;
  }

  // A request that needs an answer went to, or an answer came from, the current link.
  void on_owed() noexcept {
    owed_++;
  }
  void on_paid() noexcept {
    owed_--;
  }
  std::uint32_t owed() const noexcept {
    return owed_;
  }
  bool may_move() const noexcept {
    return !R.drain_before_move || owed_ == 0;
  }
  // The session now uses another link, whose numbers start anew. REQUIRES: may_move().
  void on_moved() noexcept {
    if (owed_ == 0) {
      reads_ = {};
    }
  }

  // For the explorer.
  template <class Sink>
  void digest(Sink&& sink) const {
    for (const Bucket& bucket : reads_) {
      if (bucket.outstanding > 0) {
        sink(bucket.newest << 32 | bucket.outstanding);
      }
    }
    sink(std::uint64_t{wide_writes_} << 32 | std::uint64_t{owed_} << 1 |
         std::uint64_t{upstream_only_});
  }

  std::uint64_t fence() const noexcept {
    return fence_;
  }
  std::uint32_t wide_writes() const noexcept {
    return wide_writes_;
  }

 private:
  struct Bucket {
    std::uint64_t newest = 0;
    std::uint32_t outstanding = 0;
  };
  // Collisions only make a read go upstream.
  static constexpr std::size_t kBuckets = 32;
  static std::size_t index(KeyHash key) noexcept {
    return key % kBuckets;
  }

  std::array<Bucket, kBuckets> reads_{};
  std::uint64_t fence_ = 0;
  std::uint32_t wide_writes_ = 0;
  std::uint32_t owed_ = 0;
  bool upstream_only_ = false;
};

using Session = BasicSession<>;

}  // namespace tiercache::coherence
