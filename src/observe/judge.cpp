#include "judge.hpp"

namespace tiercache::observe {

using coherence::LinkState;
using coherence::Proof;
using coherence::View;

bool Judge::nothing_broke(const View& view) const noexcept {
  return view.state == LinkState::live && view.generation == picked_.generation &&
         view.source == picked_.source && view.proof == picked_.proof;
}

Outcome Judge::on_answer(Answer answer, const View& view, Time now) noexcept {
  if (answer == Answer::none) {
    return Outcome::skipped;
  }
  if (answer == Answer::equal) {
    return Outcome::fine;
  }
  if (!nothing_broke(view)) {
    return Outcome::skipped;
  }
  answered_at_ = now;
  ping_ = view.proof == Proof::age ? 0 : view.next_ping();
  return Outcome::open;
}

bool Judge::due(const View& view, Time now) const noexcept {
  return view.acked >= ping_ || view.generation != picked_.generation ||
         view.state == LinkState::down || now - answered_at_ >= kPatience;
}

Outcome Judge::on_look(const Sight& sight, const View& view, Time now) const noexcept {
  if (!nothing_broke(view) || view.acked < ping_) {
    return Outcome::skipped;
  }
  if (!sight.same_fill || sight.expire_at - now <= kDeadlineSlack) {
    return Outcome::raced;
  }
  if (view.proof == Proof::age && sight.expire_at <= answered_at_ + sight.max_staleness) {
    return Outcome::raced;
  }
  return Outcome::stale;
}

}  // namespace tiercache::observe
