// The verdict on one audited entry, step by step. Pure.
//
//   picked ── answer ──▶ equal: fine
//                   ──▶ differs ── fence ──▶ the same fill is still there: stale
//                                       ──▶ it has gone: raced
//                   ──▶ none: skipped
//
// Why this is a proof. The entry was in L1 before the question was sent, so it shows Redis as of a
// moment before the answer. If the answer differs, a write lies between the two. A PING sent after
// the answer is acknowledged after the event of that write, so by then the entry must be gone; and
// if the same fill is still there, it would be served although its invalidation is not on its way.
// A new generation, or a link that is not live, explains everything and proves nothing.
//
// Without a stream (Proof::age) an entry may differ as long as it lives for less than max_staleness
// from the answer on: the write happened before that. One that would live longer breaks the bound.
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/coherence/link_status.hpp"

#include <chrono>
#include <cstdint>

namespace tiercache::observe {

enum class Answer : std::uint8_t {
  equal,
  differs,
  none,  // an error, or the connection was lost
};

enum class Outcome : std::uint8_t {
  open,
  fine,
  raced,    // it differed, and went or goes in time
  stale,    // it differed, and would go on being served
  skipped,  // nothing was proven
};

// The audited fill when L1 is looked into again.
struct Sight {
  bool same_fill = false;  // it is there and alive
  Time expire_at{};
  Duration max_staleness{};  // in force
};

class Judge {
 public:
  // A fence that takes longer proves nothing.
  static constexpr Duration kPatience = std::chrono::seconds(5);
  // PTTL counts whole milliseconds of Redis's own clock: so close to its end an entry is let go.
  static constexpr Duration kDeadlineSlack = std::chrono::milliseconds(2);

  // REQUIRES: the view, in which the entry was alive, was loaded before the entry was looked at.
  explicit Judge(const coherence::View& picked) noexcept : picked_(picked) {
  }

  // `view` and `now`: after the answer came.
  Outcome on_answer(Answer answer, const coherence::View& view, Time now) noexcept;
  // While the outcome is open: the PING to wait for; 0: none, look at once.
  std::uint64_t ping() const noexcept {
    return ping_;
  }
  // Whether it is time to look.
  bool due(const coherence::View& view, Time now) const noexcept;
  // REQUIRES: due with this view, which was loaded before L1 was looked into. Never open.
  Outcome on_look(const Sight& sight, const coherence::View& view, Time now) const noexcept;

 private:
  bool nothing_broke(const coherence::View& view) const noexcept;

  coherence::View picked_;
  std::uint64_t ping_ = 0;
  Time answered_at_{};
};

}  // namespace tiercache::observe
