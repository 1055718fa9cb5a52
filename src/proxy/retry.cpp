// Session: reads that are sent once more because their link was lost. Never anything that may
// change something, and never behind the session's back: what it has sent behind a read might
// overtake it now, so with a write there the read is not repeated. Until all that was lost is sent
// again, in its order, the session takes no request.
//
// A repeated read fills nothing: L1 has heard that its flight is lost, and takes the reply for one
// that went past it.
#include "session.hpp"
#include "tags.hpp"

#include <algorithm>

namespace tiercache::proxy {

// The link of an operation is lost. True: it will be sent again, or get its error then.
bool Session::repeats(std::uint64_t id) {
  Op& op = queue_.at(id);
  if (!op.repeatable || op.started || id < last_write_ || gone_ || doomed_ ||
      (op.extra && op.extra->redirects > 0)) {
    return false;
  }
  if (!worker_.may_retry()) {
    worker_.count(stats::Counter::l2_retries_refused);
    return false;
  }
  paid(op);
  done_reading(op);
  if (op.foreign && stall_ == Stall::foreign) {
    stall_ = Stall::none;
  }
  Effects::Hashes shown = op.effects.reads();
  if (op.kind == OpKind::flight || op.kind == OpKind::joined) {
    shown.push_back(op.hash);
    op.kind = OpKind::relay;
  } else if (op.fills_keys()) {
    for (const MultiFill::Part& part : op.extra->multi.parts) {
      shown.push_back(part.hash);
    }
    op.extra->multi = {};
    op.kind = op.kind == OpKind::multi ? OpKind::relay : op.kind;
  }
  op.effects.clear();
  op.effects.add_reads(shown);
  op.gather.clear();
  if (op.lane->master != nullptr) {
    op.lane = op.lane->master;  // the replica may come back older than what it has shown
    sent_elsewhere_ = true;
  }
  op.repeatable = op.foreign = false;
  if (lost_.empty()) {
    lost_until_ = now() + worker_.config().upstream.retry_wait;
  }
  // What waits for another's flight hears of the loss when that does.
  lost_.insert(std::ranges::upper_bound(lost_, id), id);
  worker_.touch(*this);
  return true;
}

// As far as there are links for it.
void Session::send_lost_again() {
  std::size_t done = 0;
  for (; done < lost_.size(); done++) {
    const std::uint64_t id = lost_[done];
    use(*queue_.at(id).lane);
    if (!link_ || link_->state() == l2::Link::State::dead) {
      traffic_ = Traffic::commands;
      link_ = shared_link();
      coherence_.on_moved();
    }
    const bool over = gone_ || doomed_;
    if (!over && link_ && link_->state() == l2::Link::State::ready && !link_->saturated()) {
      send_again(id);
    } else if (over || time_ >= lost_until_) {
      const bool connecting = link_ && link_->state() != l2::Link::State::dead;
      on_op_lost(id, connecting ? "it does not answer" : lane_->links.why_not());
    } else {
      worker_.await_link(*this);
      break;
    }
  }
  lost_.erase(lost_.begin(), lost_.begin() + static_cast<std::ptrdiff_t>(done));
}

void Session::send_again(std::uint64_t id) {
  Op& op = queue_.at(id);
  op.effects.begin(*op.lane);
  op.reading = op.owed = true;
  for (const KeyHash hash : op.effects.reads()) {
    coherence_.on_read_sent(hash, link_->next_place().seq);
  }
  coherence_.on_owed();
  worker_.count(stats::Counter::l2_requests);
  worker_.count(stats::Counter::l2_retries);
  link_->send(op.request, *this, tag_of(id));
}

}  // namespace tiercache::proxy
