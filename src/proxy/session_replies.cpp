// Session: answers, in the order of the requests.
#include "flight_state.hpp"
#include "refusal.hpp"
#include "session.hpp"
#include "tags.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/base/words.hpp"
#include "tiercache/resp/encoder.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::proxy {

namespace {

// INFO and COMMAND are far smaller; what is larger is passed on unchanged.
constexpr std::size_t kMaxAugmented = std::size_t{8} << 20;

}  // namespace

std::uint64_t Session::push(OpKind kind) {
  const std::uint64_t id = queue_.next_id();
  Op& op = queue_.push(kind);
  op.muted = muted_;
  op.marks = marks_ && kind != OpKind::part && spec_.version == resp::Version::resp3;
  op.lane = lane_;
  if (request_ != nullptr && kind != OpKind::ready) {
    begin_timing(op);
  }
  return id;
}

std::uint64_t Session::op_of(std::uint32_t low) const noexcept {
  return queue_.head_id() + ((low - queue_.head_id()) & Ticket::kOpMask);
}

void Session::deliver(Op& op, std::string_view bytes) {
  if (gone_ || doomed_ || op.kind == OpKind::internal || op.muted) {
    return;
  }
  if (!op.held && &op == &queue_.front()) {
    out_.append(bytes);
  } else {
    op.out.append(bytes);
    queued_output_ += bytes.size();
  }
  op.delivered += bytes.size();
  largest_answer_ = std::max(largest_answer_, op.delivered);
  check_output();
}

// A push or a message: behind all that Redis sent before it.
void Session::deliver_out_of_band(std::string_view bytes) {
  if (gone_ || doomed_) {
    return;
  }
  Op* last = nullptr;
  for (std::uint64_t id = queue_.head_id(); id < queue_.next_id(); id++) {
    Op& op = queue_.at(id);
    if (op.started) {
      last = &op;
    }
  }
  if (last == nullptr) {
    out_.append(bytes);
    check_output();
  } else {
    deliver(*last, bytes);
  }
  worker_.touch(*this);
}

// One reply may be larger than the limit, and whoever reads slowly is owed it all the same.
void Session::check_output() {
  const std::size_t limit = worker_.config().limits.client_output;
  if (!doomed_ && out_.size() + queued_output_ > limit + largest_answer_) {
    worker_.count(stats::Counter::clients_closed_output_limit);
    doom();
  }
}

// Not closed from within a callback: operations that the caller still looks at would be over.
void Session::doom() {
  doomed_ = true;
  worker_.touch(*this);
}

void Session::paid(Op& op) {
  if (op.owed) {
    op.owed = false;
    coherence_.on_paid();
  }
}

void Session::finish(Op& op) {
  if (op.timed) {
    end_timing(op);
  }
  paid(op);
  done_reading(op);
  if (op.wide) {
    op.wide = false;
    coherence_.on_wide_write_done();
  }
  op.held = false;
  op.done = true;
  advance();
  worker_.touch(*this);
}

void Session::advance() {
  while (!queue_.empty()) {
    Op& head = queue_.front();
    if (!head.held && !head.out.empty()) {
      queued_output_ -= head.out.size();
      if (!gone_) {
        out_.append(std::move(head.out));
      }
      head.out.clear();
    }
    if (!head.done) {
      break;
    }
    if (head.timed) {
      hold_.on_answered(head.begun);
    }
    queue_.pop();
  }
}

void Session::answer(std::string_view bytes) {
  if (muted_) {
    return;
  }
  if (queue_.empty()) {
    if (!gone_) {
      out_.append(bytes);
      check_output();
    }
    return;
  }
  Op& op = queue_.at(push(OpKind::ready));
  op.done = true;
  deliver(op, bytes);
}

Session::Step Session::answer_error(std::string_view text) {
  std::string bytes;
  resp::append_error(bytes, text);
  answer(bytes);
  return Step::next;
}

// A reason that begins with "-" is what Redis said.
std::string Session::away_text(std::string_view why, const Lane& lane) const {
  if (why.starts_with('-')) {
    return std::string(why.substr(1));
  }
  std::string text = "ERR tiercache: upstream ";
  text += lane.links.where();
  text += " is unavailable: ";
  text += why;
  return text;
}

std::string Session::away_text(std::string_view why) const {
  return away_text(why, *lane_);
}

Session::Step Session::answer_away() {
  worker_.count(stats::Counter::l2_errors);
  return answer_error(away_text(lane_->links.why_not()));
}

void Session::start_reply(Op& op) {
  if (!op.started) {
    op.started = true;
    op.effects.end(*op.lane);
  }
}

void Session::on_op_bytes(std::uint64_t id, std::string_view piece, bool last) {
  // Of a Cluster an error may say where the key is, and come in pieces.
  if (worker_.clustered() && (piece.starts_with('-') || queue_.at(id).extra)) [[unlikely]] {
    on_cluster_bytes(id, piece, last);
  } else {
    on_op_piece(id, piece, last);
  }
}

void Session::on_op_piece(std::uint64_t id, std::string_view piece, bool last) {
  Op& op = queue_.at(id);
  const bool first = !op.started;
  if (op.extra && !op.extra->stamps.empty()) {
    stamp(op, piece);
  }
  switch (op.kind) {
    case OpKind::flight:
      on_flight_piece(id, piece, last);
      return;
    case OpKind::multi:
      on_multi_piece(id, piece, last);
      return;
    case OpKind::trial:
      on_trial_reply(id, piece);
      if (last) {
        end_trial(id);
      }
      return;
    case OpKind::augmented:
      on_augmented_piece(id, piece, last);
      return;
    case OpKind::queued:
      if (first && !piece.starts_with("+QUEUED")) {
        // MULTI had been refused: it has run.
        op.effects.apply_blind(*op.lane);
        for (const KeyHash hash : op.effects.reads()) {
          op.lane->shown(hash);
          op.lane->cache.pass_read(hash);
        }
      }
      break;
    case OpKind::part:
      on_part_piece(id, piece, last);
      return;
    case OpKind::script:
    case OpKind::relay:
    case OpKind::internal:
      break;
    case OpKind::gathered:
    case OpKind::ready:
    case OpKind::joined:
    case OpKind::extension:
      TC_CHECK(false);
  }
  if (first && op.harmless && refuses_user(piece)) {
    op.effects.set_nothing_shown();
  }
  if (first && op.exec) {
    op.ran = piece.starts_with('*') && !piece.starts_with("*-1");
  }
  if (first && op.effects.wide() && op.kind != OpKind::queued &&
      (op.exec ? op.ran : !piece.starts_with('-'))) {
    flush_local(op.effects);
  }
  start_reply(op);
  if (op.exec && on_exec_piece(id, piece, last)) {
    return;
  }
  if (op.kind == OpKind::script) {
    on_script_piece(id, piece, last);
    return;
  }
  deliver(op, piece);
  if (!last) {
    worker_.touch(*this);
    return;
  }
  if (op.ran) {
    after_exec(id, op.ran);
  }
  finish(queue_.at(id));
}

// Kept back whole, so that the fence can be asked for when Redis has finished it.
void Session::on_script_piece(std::uint64_t id, std::string_view piece, bool last) {
  Op& op = queue_.at(id);
  op.held = true;
  if (!gone_) {
    op.out.append(piece);
    queued_output_ += piece.size();
  }
  if (op.out.size() > worker_.config().limits.client_output / 2 && !last) {
    // Too large to keep. An empty L1 is as good as a fence.
    op.lane->cache.status().bump_generation();
    op.kind = OpKind::relay;
    op.held = false;
    advance();
    check_output();
    return;
  }
  if (last) {
    paid(op);
    after_exec(id, op.ran);
    end_script(id);
  }
}

void Session::end_script(std::uint64_t id) {
  Op& op = queue_.at(id);
  // A session has one fence, and each node numbers its PINGs by itself.
  const coherence::ScriptMode mode =
      worker_.config().coherence.mode == config::CoherenceMode::session && !worker_.clustered()
          ? coherence::ScriptMode::session
          : coherence::ScriptMode::strict;
  const std::uint64_t ping = coherence_.on_wide_write_reply(op.lane->cache.status().view(), mode);
  // Redis does not know the command either: nothing has run.
  const bool nothing = op.unknown && op.out.starts_with("-ERR unknown command");
  if (ping == 0 || nothing || !worker_.keeps(*op.lane)) {
    finish(op);
    check_output();
    return;
  }
  worker_.count(stats::Counter::held_replies);
  op.lane->fences.wait(ping, [self = ref(), id] {
    self->finish(self->queue_.at(id));
    self->check_output();
  });
}

void Session::on_augmented_piece(std::uint64_t id, std::string_view piece, bool last) {
  Op& op = queue_.at(id);
  start_reply(op);
  op.gather.append(piece);
  if (op.gather.size() > kMaxAugmented) {
    op.kind = OpKind::relay;
    const std::string bytes = std::move(op.gather);
    op.gather.clear();
    deliver(op, bytes);
    if (last) {
      finish(op);
    }
    return;
  }
  if (last) {
    const std::vector<std::string>& words = op.more().args;
    const std::vector<std::string_view> args(words.begin(), words.end());
    const resp::Version version = pinned_ ? flow_->version() : spec_.version;
    std::string reply = std::exchange(op.gather, {});
    const bool ids = is_word(args[0], "client") || is_word(args[0], "hello");
    const std::string bytes = ids ? in_our_ids(std::move(reply))
                                  : worker_.extensions().augment(args, std::move(reply), version);
    deliver(op, bytes);
    finish(op);
  }
}

std::string Session::lost_text(const Op& op, std::string_view why) {
  const l2::Link* link = pinned_ ? own_.get() : link_of(*op.lane).get();
  // A link that never greeted has sent nothing.
  const bool sent = link != nullptr && link->next_place().source != 0;
  if (op.harmless || !sent) {
    return away_text(why, *op.lane);
  }
  return "ERR tiercache: connection to upstream lost, the outcome of this command is unknown";
}

void Session::on_op_lost(std::uint64_t id, std::string_view why) {
  Op& op = queue_.at(id);
  op.effects.end(*op.lane);
  if (op.kind != OpKind::trial && login_lost(why)) {
    doom();
  }
  if (op.kind == OpKind::flight) {
    on_flight_lost(id, why);
    return;
  }
  if (op.fills_keys()) {
    give_up_multi(op);
  }
  if (repeats(id)) {
    return;
  }
  worker_.count(stats::Counter::l2_errors);
  if (op.kind == OpKind::trial) {
    on_trial_lost(id, why);
    return;
  }
  if (op.kind == OpKind::part) {
    std::string bytes;
    resp::append_error(bytes, lost_text(op, why));
    end_part(id, std::move(bytes));
    return;
  }
  const bool kept_whole = op.kind == OpKind::script || op.kind == OpKind::augmented || op.held;
  if (op.started && !kept_whole) {
    // Half a reply is out: the client cannot follow any more.
    doom();
  } else {
    queued_output_ -= op.out.size();
    op.out.clear();
    op.held = false;
    std::string bytes;
    std::optional<std::string> offline;
    if (op.kind == OpKind::augmented) {
      const std::vector<std::string>& words = op.more().args;
      const std::vector<std::string_view> args(words.begin(), words.end());
      offline = worker_.extensions().offline(args, spec_.version);
    }
    if (offline) {
      bytes = std::move(*offline);
    } else {
      resp::append_error(bytes, lost_text(op, why));
    }
    deliver(op, bytes);
  }
  finish(queue_.at(id));
}

void Session::on_extension(std::uint64_t id, std::string bytes) {
  if (!queue_.contains(id)) {
    return;
  }
  Op& op = queue_.at(id);
  if (op.exec && op.extra && op.extra->next_local < op.extra->locals.size()) {
    op.extra->locals[op.extra->next_local++].reply = std::move(bytes);
    run_exec_locals(id);
    return;
  }
  if (op.kind != OpKind::extension) {
    return;
  }
  start_reply(op);
  deliver(op, bytes);
  finish(op);
}

void Session::on_reply(std::uint64_t tag, std::string_view piece, bool last) {
  const std::uint64_t id = op_in(tag);
  const bool to_asking = piece.starts_with('+');
  switch (asked_in(tag)) {
    case Asked::itself:
      on_op_bytes(id, piece, last);
      break;
    case Asked::before:
      if (const Op& op = queue_.at(id);
          !op.extra || op.extra->redirects == 0 || (is_loading(op) && !to_asking)) {
        on_pttl_piece(id, piece, last);
      }
      break;
    case Asked::behind:
      if (!to_asking) {
        on_behind_piece(id, piece, last);
      }
      break;
  }
}

void Session::on_lost(std::uint64_t tag, std::string_view why) {
  // A PTTL is lost with the read behind it, but one behind a read may be lost alone.
  const std::uint64_t id = op_in(tag);
  const bool waits = asked_in(tag) == Asked::behind && queue_.contains(id) &&
                     is_loading(queue_.at(id)) && queue_.at(id).extra->loading->read_reply;
  if (asked_in(tag) == Asked::itself || waits) {
    on_op_lost(id, why);
  }
}

void Session::on_room() {
  if (stall_ == Stall::room) {
    stall_ = Stall::none;
  }
  worker_.touch(*this);
}

}  // namespace tiercache::proxy
