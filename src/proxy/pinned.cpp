// Session: the pinned relay. While state hangs on a connection of its own, everything goes through
// it in both directions; the proxy reads along for the sake of L1, which is not consulted.
#include "hello.hpp"
#include "refusal.hpp"
#include "session.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/base/words.hpp"
#include "tiercache/proxy/writes.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::proxy {

using command::Kind;
using command::Route;

// Pinned afterwards if nothing stands against it; if there is no connection for it the request has
// got its error.
Session::Step Session::pin() {
  if (!queue_.empty()) {
    return stall(Stall::drain);
  }
  return take_own_link() ? Step::next : answer_away();
}

// REQUIRES: nothing queued. False: there are too many connections.
bool Session::take_own_link() {
  const bool parked = own_ && flow_ && own_->state() != l2::Link::State::dead &&
                      own_user_ == spec_.user && own_lane_ == lane_ && flow_->db() == spec_.db &&
                      flow_->version() == spec_.version;
  if (!parked) {
    leave_own_link();
    own_ = lane_->links.own(with_login(spec_), *this);
    own_lane_ = lane_;
    if (!own_) {
      return false;
    }
    flow_.emplace(spec_.db, spec_.version);
    own_user_ = spec_.user;
  }
  pinned_ = true;
  paused_ = false;
  coherence_.set_upstream_only(true);
  worker_.count(stats::Counter::pinned_sessions);
  return true;
}

// REQUIRES: flow_->clean() and nothing queued. The connection is kept for a while: clients that use
// one transaction use the next.
void Session::unpin() {
  leave_nodes();
  pinned_ = false;
  parked_ticks_ = 0;
  coherence_.set_upstream_only(false);
  const l2::LinkSpec spec{flow_->db(), flow_->version(), user_->id()};
  if (spec == spec_) {
    coherence_.on_moved();
  } else {
    set_spec(spec);
  }
  if (flow_->tainted()) {
    leave_own_link();
  } else if (std::exchange(paused_, false)) {
    own_->pause_reading(false);  // what it is taken for next is to be answered
  }
}

void Session::leave_own_link() {
  leave_nodes();
  if (own_) {
    const l2::LinkPtr link = std::exchange(own_, nullptr);
    link->close();
  }
  flow_.reset();
  pinned_ = false;
  paused_ = false;
  coherence_.set_upstream_only(false);
  transaction_.clear();
  transaction_writes_ = false;
  transaction_dbs_.clear();
  clean_.queued.clear();
  transaction_locals_.clear();
  frame_head_.clear();
  frame_tail_.clear();
  frame_begun_ = false;
}

Session::Step Session::pinned_request(const Request& request, const Classified& what) {
  if (own_->state() == l2::Link::State::dead) {
    return stall(Stall::drain);  // on_closed is on its way
  }
  if (own_->saturated()) {
    own_->wait_room(*this);
    return stall(Stall::room);
  }
  if (what.fits && what.command->name == "client|tracking" && !resolve_redirect(request.args)) {
    return stall(Stall::asked);
  }
  if (what.fits && (what.command->name == "sync" || what.command->name == "psync") &&
      !(queue_.empty() && frame_head_.empty())) {
    return stall(Stall::drain);  // what comes then cannot be told from an earlier reply
  }
  if (flow_->was_reset() && queue_.empty() && flow_->clean() && !redirect_.target) {
    // The connection is not the proxy's user's any more; what comes now is for the shared ones.
    unpin();
    return dispatch(request);
  }
  if (logs_in(what, request.args)) {
    // The pools take it, if nothing else ties the session to its connection.
    if (!queue_.empty()) {
      return stall(Stall::drain);
    }
    if (flow_->clean() && !redirect_.target) {
      unpin();
      return dispatch(request);
    }
  }
  // Not in the middle of a message, and not before it is known whether the client subscribes. A
  // request that CLIENT REPLY SKIP means is begun once only, so nothing may stand before it.
  const bool between = (queue_.empty() && frame_begun_) || flow_->subscribing() ||
                       (flow_->silent() && !queue_.empty());
  if (between && answers_itself(what) && asks_permission()) {
    return stall(Stall::drain);
  }
  std::optional<std::string> refused;
  // True: Redis has to say it first.
  const auto has_to_ask = [&] {
    const Permission said = permission(what);
    if (said == Permission::no) {
      refused = refusal_;
    }
    return said == Permission::asked;
  };
  if (worker_.denied(what.position, request.args)) {
    refused = worker_.denial(what.command, request.args);
  } else if (!off_node_.empty()) {
    refused = off_node_;
  } else if (clean_.failed()) {
    refused = kNotClean;
  } else if (answers_itself(what) && has_to_ask()) {
    return stall(Stall::asked);
  }
  LocalKeys ours = LocalKeys::none;
  if (!refused && (worker_.spaces().any_local() || source_writes(worker_.hub()) != nullptr)) {
    ours = local_keys(what, request.args);
    if (ours == LocalKeys::run && local_spaces_.empty() && !queue_.empty()) {
      return stall(Stall::drain);
    }
    if (ours == LocalKeys::run && flow_->in_multi()) {
      local_error_ =
          "ERR tiercache: keys that live in the proxy alone have no part in transactions";
      ours = LocalKeys::refused;
    }
    if (ours == LocalKeys::run && local_spaces_.empty() && !flow_->subscriber() && has_to_ask()) {
      return stall(Stall::asked);
    }
    if (ours == LocalKeys::refused && !flow_->subscriber()) {
      refused = local_error_;
    }
  }
  if (refused || ours == LocalKeys::run || ends_here(what)) {
    if (between) {
      return stall(Stall::drain);
    }
    worker_.count(stats::Counter::commands);
    return pinned_local(request, what, std::move(refused));
  }
  if (queues_client(what) && flow_->subscribing()) {
    return stall(Stall::drain);  // it is ours only if the client does not subscribe
  }
  if (worker_.hub().loads) {
    read_keys(what, request.args);
    if (waits_for_store(what, request.args)) {
      return stall(Stall::asked);
    }
  }
  if (worker_.clustered() && awaits_nodes(what, request.args)) {
    return stall(Stall::asked);
  }
  worker_.count(stats::Counter::commands);
  pinned_send(request, what);
  return Step::next;
}

// CLIENT and CACHE, whose effect is the proxy's wherever their answer stands.
bool Session::answers_itself(const Classified& what) {
  return what.route == Route::local && what.fits &&
         (what.command->name.starts_with("cache") || what.command->name.starts_with("client|"));
}

bool Session::logs_in(const Classified& what, Args args) {
  return what.fits && (what.command->name == "auth" ||
                       (what.command->name == "hello" && parse_hello(args).auth));
}

// Answered by the proxy although the session is pinned. A subscriber's command is Redis's to
// refuse, where it knows it.
bool Session::ends_here(const Classified& what) const {
  if (what.route != Route::local || !what.fits) {
    return false;
  }
  const std::string_view name = what.command->name;
  return name == "quit" || name == "cache" || name.starts_with("cache|") ||
         (name.starts_with("client|") && !flow_->in_multi() && !flow_->subscriber());
}

// A CLIENT command of ours that is to run with EXEC.
bool Session::queues_client(const Classified& what) const {
  return flow_->in_multi() && what.fits && what.route == Route::local &&
         what.command->name.starts_with("client|");
}

Session::Step Session::pinned_local(const Request& request, const Classified& what,
                                    std::optional<std::string> refused) {
  const bool multi = flow_->in_multi();
  muted_ = flow_->silent();
  if (multi) {
    // Redis must hear of an error too, so that EXEC aborts.
    pinned_internal("", {"TIERCACHE.DENIED"});
  } else if (muted_) {
    // CLIENT REPLY SKIP means this request, so Redis must see one go by.
    pinned_internal("echo", {"ECHO", "tiercache"});
  }
  Step step = Step::next;
  const std::string_view name = what.command != nullptr ? what.command->name : "";
  if (refused) {
    step = answer_error(*refused);
  } else if (name == "quit") {
    answer("+OK\r\n");
    closing_ = true;
  } else if (name.starts_with("client|")) {
    step = client_command(what, request.args);
  } else if (flow_->subscriber()) {
    step = answer_error(not_while_subscribed(name));
  } else if (multi) {
    step = answer_error("ERR CACHE is not allowed in transactions");
  } else if (!ends_here(what)) {
    step = run_local(what, request.args);
  } else {
    step = cache_command(request.args);
  }
  muted_ = false;
  return step;
}

// A request of the proxy's own. Null: it will not be answered.
Op* Session::pinned_internal(std::string_view name, std::initializer_list<std::string_view> args) {
  const std::vector<std::string_view> words(args);
  const std::uint64_t id = queue_.next_id();
  Op* op = nullptr;
  if (flow_->on_request(worker_.table().find_name(name), Route::shared, words, id).answered) {
    op = &queue_.at(push(OpKind::internal));
    op->harmless = op->owed = true;
    coherence_.on_owed();
  }
  std::string bytes;
  resp::append_request(bytes, args);
  own_->send_raw(bytes);
  return op;
}

void Session::pinned_send(const Request& request, const Classified& what) {
  const Args args = request.args;
  coherence::Cache& cache = lane_->cache;
  const bool was_multi = flow_->in_multi();
  if (what.route == Route::blocking && !was_multi && !flow_->silent() &&
      what.command->name == "wait") {
    // It counts from the last command of its own connection: one that follows the answered writes.
    pinned_internal("echo", {"ECHO", "tiercache"});
  }
  Effects effects;
  read_keys(what, args);
  effects.add(cache, what.kind, args, keys_, flow_->db());
  if (was_multi) {
    // After a SELECT in the transaction; whether it works is not known yet.
    for (const std::uint32_t db : transaction_dbs_) {
      effects.add(cache, what.kind, args, keys_, db);
    }
  }
  const std::uint64_t id = queue_.next_id();
  const PinnedFlow::Sent sent =
      flow_->on_request(what.fits ? what.command : nullptr, what.route, args, id);
  if (sent.queued) {
    transaction_.add(effects);
    note_queued(args);
    transaction_writes_ = transaction_writes_ || (what.fits && may_replicate(*what.command, args));
    if (what.fits && what.command->name == "select") {
      const auto db = parse_integer(args[1]);
      if (db && *db >= 0 && *db <= INT32_MAX) {
        transaction_dbs_.push_back(static_cast<std::uint32_t>(*db));
      }
    }
  }
  if (sent.exec) {
    effects.add(transaction_);
  }
  std::vector<std::uint32_t> selects;
  std::vector<LocalInExec> locals;
  if (sent.exec || sent.discard) {
    locals.swap(transaction_locals_);
    transaction_writes_ = false;
    transaction_.clear();
    clean_.queued.clear();
    selects.swap(transaction_dbs_);
  }
  if (!sent.answered) {
    if (!sent.queued) {
      effects.apply_blind(*lane_);
      unanswered_.add_unanswered(effects);
      flush_local(effects);
    }
    own_->send_raw(pinned_bytes(request, what));
    if (flow_->streaming()) {
      own_->pass_through();
    }
    run_blind_locals(locals);
    return;
  }
  if (!sent.queued) {
    effects.add_unanswered(std::exchange(unanswered_, {}));
  }
  const OpKind kind = sent.queued                      ? OpKind::queued
                      : effects.script()               ? OpKind::script
                      : what.route == Route::augmented ? OpKind::augmented
                      : shows_ids(what)                ? OpKind::augmented
                                                       : OpKind::relay;
  Op& op = queue_.at(push(kind));
  op.unknown = what.command == nullptr;
  op.harmless = what.kind == Kind::read || what.kind == Kind::cacheable_read ||
                what.kind == Kind::multi_read || what.kind == Kind::ttl_read || sent.queued;
  op.effects = std::move(effects);
  op.exec = sent.exec;
  if (kind == OpKind::augmented) {
    op.more().args.assign(args.begin(), args.end());
  }
  if (sent.exec && !selects.empty()) {
    op.more().selects = std::move(selects);
    stall_ = Stall::drain;
  }
  if (sent.exec && !locals.empty()) {
    op.more().locals = std::move(locals);
    stall_ = Stall::drain;
  }
  if (!sent.queued) {
    if (what.route == Route::blocking) {
      op.timed = false;
      op.effects.set_barrier(Effects::Barrier::at_reply);
    }
    op.effects.begin(*lane_);
    if (op.effects.wide()) {
      op.wide = true;
      coherence_.on_wide_write_sent();
    }
  }
  if (sent.settles) {
    stall_ = Stall::drain;
  }
  if (what.fits && what.command->name == "reset") {
    name_.clear();
    marks_ = false;
    redirect_.send_to(0);
  }
  op.owed = true;
  coherence_.on_owed();
  worker_.count(stats::Counter::l2_requests);
  own_->send_raw(pinned_bytes(request, what));
}

std::string_view Session::pinned_bytes(const Request& request, const Classified& what) {
  if (const auto instead = place_holder(what, request.args)) {
    return *instead;
  }
  if (!what.fits || what.command->name != "client|tracking") {
    return relay_bytes(request);
  }
  redirect_.broadcast = std::ranges::any_of(
      request.args.subspan(2), [](std::string_view word) { return is_word(word, "bcast"); });
  return with_redirect(request);
}

// A SELECT within a transaction may have worked or not; doing it again shows which, and changes
// nothing.
void Session::after_exec(std::uint64_t id, bool ran) {
  const Op& op = queue_.at(id);
  if (!ran || !op.extra || !pinned_) {
    return;
  }
  const std::vector<std::uint32_t> selects = op.extra->selects;
  for (const std::uint32_t db : selects) {
    pinned_internal("select", {"SELECT", std::to_string(db)});
  }
}

void Session::on_frame(std::string_view piece, bool last, bool push) {
  if (gone_ || !flow_) {
    return;
  }
  if (!pinned_) {
    leave_own_link();  // nothing is owed there
    return;
  }
  const Self keep = ref();
  if (flow_->streaming()) {
    deliver_out_of_band(piece);
    return;
  }
  std::string joined;
  if (!frame_begun_) {
    frame_head_.append(piece);
    if (!last && frame_head_.size() < PinnedFlow::kHead) {
      return;
    }
    frame_begun_ = true;
    frame_ = flow_->on_frame(frame_head_, push);
    joined = frame_head_;
    if (push && last) {
      show_redirect_broken(joined);
    }
    piece = joined;
    frame_head_.resize(std::min(frame_head_.size(), PinnedFlow::kHead));
  }
  frame_tail_.append(piece.substr(piece.size() - std::min(piece.size(), PinnedFlow::kTail)));
  if (frame_tail_.size() > PinnedFlow::kTail) {
    frame_tail_.erase(0, frame_tail_.size() - PinnedFlow::kTail);
  }
  const PinnedFlow::Frame frame = frame_;
  bool answered = false;
  bool reset = false;
  if (last) {
    answered = flow_->on_frame_end(frame_head_, frame_tail_);
    reset = answered && flow_->was_reset() && frame_head_ == "+RESET\r\n";
    frame_begun_ = false;
    frame_head_.clear();
    frame_tail_.clear();
  }
  if (frame.pubsub != PinnedFlow::PubSubFrame::none && worker_.clustered()) {
    piece = pubsub_frame(piece, last);
  }
  if (frame.answers) {
    on_op_bytes(frame.op, piece, answered);
  } else if (!piece.empty()) {
    deliver_out_of_band(piece);
  } else if (last) {
    worker_.touch(*this);  // what was not passed on may have kept a request waiting
  }
  if (reset) {
    // Whoever it was has no more rights, however long the session stays pinned. Nothing is owed,
    // since nothing goes behind a RESET that is not answered.
    user_ = worker_.hub().identities.anonymous();
    set_spec({flow_->db(), flow_->version(), user_->id()});
  }
  if (last && node_events_) {
    end_frame();
  }
}

void Session::fail_pinned(std::string_view why) {
  if (!pinned_) {
    return;
  }
  const std::uint64_t end = queue_.next_id();
  for (std::uint64_t id = queue_.head_id(); id < end; id++) {
    if (queue_.contains(id) && queue_.at(id).owed) {
      on_op_lost(id, why);
    }
  }
}

void Session::on_closed(std::string_view why) {
  const Self keep = ref();
  if (!flow_) {
    return;
  }
  if (pinned_) {
    const bool state = flow_->has_state() || flow_->in_multi() || frame_begun_;
    const l2::LinkSpec spec{flow_->db(), flow_->version(), user_->id()};
    fail_pinned(why);
    if (state) {
      closing_ = true;  // it counts on what is lost
    } else if (!(spec == spec_)) {
      set_spec(spec);
    }
  }
  own_.reset();
  leave_own_link();
  redirect_.target = false;
  tell_upstream_id(0);
  worker_.touch(*this);
}

}  // namespace tiercache::proxy
