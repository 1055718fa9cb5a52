// Session: reads of one key through L1, and the flights that fill it.
//
// A flight is two requests back to back, `PTTL key` and then the read, so that everything is known
// when the read's reply ends. L1 hears of the reply before anybody gets its first byte.
#include "flight_state.hpp"
#include "presence.hpp"
#include "refusal.hpp"
#include "session.hpp"
#include "tags.hpp"
#include "variants.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/proxy/loads.hpp"
#include "tiercache/resp/reply_header.hpp"

#include <memory>
#include <utility>

#include <boost/container/small_vector.hpp>

namespace tiercache::proxy {

using command::Kind;

namespace {

// Larger hits are pinned, and copied when the shard is free for others again.
constexpr std::size_t kCopiedUnderLock = 4096;

// Whether Redis's reply says how old the value is, if it is of its type. EXISTS does not say that.
bool ages(const Op& op) {
  return op.extra && op.extra->loading && !op.pttl_bad &&
         op.extra->loading->shape.kind != LoadShape::Kind::exists;
}

}  // namespace

coherence::Waiter Session::ticket(std::uint64_t op) const noexcept {
  return Ticket{worker_.index(), id_, static_cast<std::uint32_t>(op & Ticket::kOpMask)}.pack();
}

void Session::count_fill(namespaces::Index space, bool filled) {
  worker_.count(filled ? stats::Counter::l1_fills : stats::Counter::l1_fills_refused);
  worker_.spaces().count(space, filled ? SpaceCounter::fills : SpaceCounter::refused);
}

Session::Step Session::cacheable_read(const Request& request, const Classified& what,
                                      namespaces::Index space, Keep keep) {
  if (clean_.failed() && goes_past_redis(what, request.args)) [[unlikely]] {
    return load_past(request, what, space);
  }
  coherence::Cache& cache = lane_->cache;
  const coherence::View view = cache.status().view();
  const bool live =
      keep == Keep::yes && worker_.config().l1.enabled && view.state == coherence::LinkState::live;
  if (!live && !loads(what, space)) {
    return relay(request, what);
  }
  OwnName own{{}, variant_args_};
  const std::span<const l1::Variant> answers =
      answers_to(*what.command, what.position, request.args, spec_.version, own);
  if (answers.empty()) {
    return relay(request, what);
  }
  if (const Step step = link_step(); step == Step::again) {
    return step;
  }
  if (!link_) {
    const std::string_view wanted = request.args[1];
    const bool loaded = loads(what, space) && worker_.hub().loads->fits(space, wanted) &&
                        (may_all() || stamped(what, wanted));
    return loaded ? load_past(request, what, space) : answer_away();
  }
  const std::uint16_t command = what.position;
  const std::string_view key = request.args[1];
  coherence::ReadAsk ask;
  ask.key = {cache.hash(spec_.db, key), spec_.db, key};
  ask.answers = answers;
  ask.reach = coherence_.reach(ask.key.hash, view);
  ask.fenced_by = fenced_by_;
  ask.max_staleness = worker_.spaces().max_staleness(space);
  ask.place = link_->next_place();
  // A replica of a Cluster shows by it that it has the key no longer.
  const bool asks_ttl = worker_.spaces().asks_ttl(space) || lane_->master != nullptr;
  ask.place.seq += asks_ttl ? 1 : 0;  // PTTL goes before it
  ask.waiter = ticket(queue_.next_id());

  const bool all = may_all();
  const bool may_hit = live && !unproven_ && (all || stamped(what, key));
  const bool loaded = loads(what, space);
  const bool past = live && !loaded && lane_->master == nullptr && worker_.past_l1(time_);
  const bool may_fill = !past && (all || !asks_ttl || user_->may_pttl(key));
  if (!may_hit && !may_fill) {
    return relay(request, what);
  }
  const bool first = queue_.empty();
  std::string& target = first ? out_.tail() : scratch_;
  scratch_.clear();
  bool negative = false;
  const auto on_hit = [&](const l1::Entry& entry) {
    negative = entry.negative();
    if (command == entry.command() && entry.reply().body().size() > kCopiedUnderLock) {
      return true;
    }
    append_hit(target, command, entry, spec_.version);
    return false;
  };
  coherence::ReadOutcome outcome;
  if (!may_hit) [[unlikely]] {
    // Upstream whatever L1 holds; nobody joins, since it may be refused.
    outcome.kind = coherence::ReadOutcome::Kind::send;
    outcome.flight = cache.begin_fill(ask.key, answers.front(), ask.place, time_);
    outcome.flight_seq = ask.place.seq;
  } else if (!may_fill) [[unlikely]] {
    outcome = cache.probe(ask, time_, on_hit);
  } else {
    outcome = cache.read(ask, time_, on_hit);
  }
  if (!first) {
    outcome.pin.reply().append_to(scratch_);
  } else if (outcome.pin) {
    out_.append(std::move(outcome.pin));
  }
  using Outcome = coherence::ReadOutcome::Kind;
  switch (outcome.kind) {
    case Outcome::hit:
      count_hit(space);
      if (negative) {
        worker_.count(stats::Counter::l1_negative_hits);
      }
      if (first) {
        check_output();
      } else {
        answer(scratch_);
      }
      return Step::next;
    case Outcome::wait:
      return wait_fence(outcome.ping);
    case Outcome::joined: {
      worker_.count(stats::Counter::l1_joins);
      Op& op = queue_.at(push(OpKind::joined));
      op.harmless = true;
      op.command = command;
      op.hash = ask.key.hash;
      op.foreign = outcome.foreign && coherence::Rules{}.stall_on_foreign_join;
      if (op.foreign) {
        // What it sent meanwhile might be answered with something newer, before this.
        stall_ = Stall::foreign;
      } else {
        op.reading = op.owed = true;
        coherence_.on_owed();
        coherence_.on_read_sent(op.hash, outcome.flight_seq);
      }
      if (worker_.retries() && !loads(what, space)) {
        op.repeatable = true;
        op.request.assign(relay_bytes(request));
      }
      return Step::next;
    }
    case Outcome::send:
      break;
    case Outcome::none: {
      const Step step = relay(request, what);
      if (past && step == Step::next) {
        worker_.count(stats::Counter::l1_misses);
        worker_.count(stats::Counter::l1_bypassed);
      }
      return step;
    }
  }
  worker_.count(stats::Counter::l1_misses);
  worker_.spaces().count(space, SpaceCounter::misses);
  const std::uint64_t id = push(OpKind::flight);
  Op& op = queue_.at(id);
  op.harmless = op.reading = true;
  op.alone = !may_hit;
  op.repeatable = worker_.retries();
  if (!all) {
    want_stamp(op, command, key);
  }
  op.command = command;
  op.space = space;
  op.hash = ask.key.hash;
  op.flight = outcome.flight;
  const bool asks_again = loaded && asks_behind(worker_, space, what.command->name);
  if (loaded) [[unlikely]] {
    op.repeatable = false;  // what is loaded would not be
    op.more().loading =
        std::make_unique<Loading>(Loading{shape_of(request.args),
                                          {request.args.begin() + 1, request.args.end()},
                                          now(),
                                          live,
                                          {},
                                          0});
    op.extra->loading->asks_behind = asks_again;
  }
  coherence_.on_read_sent(op.hash, outcome.flight_seq);
  if (asks_ttl) {
    scratch_.clear();
    resp::append_request(scratch_, {"PTTL", key});
    link_->send(scratch_, *this, tag_of(id, Asked::before));
  } else {
    op.pttl = kTtlNotAsked;
  }
  send(relay_bytes(request), id);
  if (asks_again) [[unlikely]] {
    scratch_.clear();
    resp::append_request(scratch_, {"PTTL", key});
    link_->send(scratch_, *this, tag_of(id, Asked::behind));
  }
  return Step::next;
}

Session::Step Session::ttl_read(const Request& request, const Classified& what,
                                namespaces::Index space) {
  coherence::Cache& cache = lane_->cache;
  const coherence::View view = cache.status().view();
  if (!worker_.config().l1.enabled || view.state != coherence::LinkState::live) {
    return relay(request, what);
  }
  const std::string_view key = request.args[1];
  // L1 knows until when such a value is fresh, not until when Redis has it.
  const bool ages = worker_.spaces().ages(space);
  if (unproven_ || behind_ || ages || (!may_all() && !stamped(what, key))) {
    return relay(request, what);
  }
  coherence::ReadAsk ask;
  ask.key = {cache.hash(spec_.db, key), spec_.db, key};
  ask.answers = answers_to_ttl();
  ask.settled = true;
  ask.reach = coherence_.reach(ask.key.hash, view);
  ask.fenced_by = fenced_by_;
  ask.max_staleness = worker_.spaces().max_staleness(space);
  std::optional<std::int64_t> milliseconds;
  const coherence::ReadOutcome outcome = cache.probe(ask, time_, [&](const l1::Entry& entry) {
    if (entry.ttl() == l1::Ttl::none) {
      milliseconds = -1;
    } else if (entry.ttl() == l1::Ttl::missing) {
      milliseconds = -2;
    } else if (entry.ttl() == l1::Ttl::exact) {
      milliseconds = (entry.expire_at() - time_) / std::chrono::milliseconds(1);
    }
  });
  if (outcome.kind == coherence::ReadOutcome::Kind::wait) {
    return wait_fence(outcome.ping);
  }
  if (!milliseconds) {
    return relay(request, what);
  }
  count_hit(space);
  if (*milliseconds >= 0 && what.command->name == "ttl") {
    *milliseconds = (*milliseconds + 500) / 1000;
  }
  scratch_.clear();
  resp::append_integer(scratch_, *milliseconds);
  answer(scratch_);
  return Step::next;
}

void Session::on_pttl_piece(std::uint64_t id, std::string_view piece, bool last) {
  Op& op = queue_.at(id);
  const auto reply = whole_pttl(op, piece, last);
  if (!reply) {
    return;
  }
  if (refuses_user(*reply)) {
    user_->on_pttl_refused();
  }
  const bool integer = reply->starts_with(':');
  const resp::ReplyHeader header = resp::read_reply_header(*reply);
  op.gather.clear();
  if (op.fills_keys()) {
    MultiFill& multi = op.more().multi;
    while (multi.parts.at(multi.pttl_replies).pttl_known) {
      multi.pttl_replies++;  // not asked
    }
    MultiFill::Part& part = multi.parts.at(multi.pttl_replies++);
    part.pttl = header.number;
    part.pttl_known = integer && header.ok;
  } else {
    op.pttl = header.number;
    op.pttl_bad = !integer || !header.ok;
  }
}

void Session::on_flight_piece(std::uint64_t id, std::string_view piece, bool last) {
  Op& op = queue_.at(id);
  // What comes in one piece, as nearly all does, is not copied.
  std::string gathered = std::exchange(op.gather, {});
  const std::string_view bytes = gathered.empty() ? piece : gathered.append(piece);
  if (!op.streaming) {
    const Verdict verdict = judge(bytes, worker_.spaces().max_value(op.space));
    if (!last && verdict != Verdict::stream) {
      op.gather = gathered.empty() ? std::string(piece) : std::move(gathered);
      return;
    }
    if (verdict == Verdict::keep) {
      if (is_loading(op) && op.extra->loading->asks_behind) [[unlikely]] {
        op.extra->loading->read_reply = std::string(bytes);
      } else {
        end_flight(id, bytes);
      }
      return;
    }
    op.streaming = true;
    if (worker_.spaces().ages(op.space) && ages(op) && !bytes.starts_with('-')) [[unlikely]] {
      // Too large to be kept back, so it is not waited for.
      note_age(id, false);
    }
    if (has_left(op)) {
      // Over for L1.
    } else if (refuses_user(bytes)) {
      // It shows nothing of the key, so nothing of the key need go.
      op.lane->cache.flight_lost(op.hash, op.flight, op.waiters);
    } else {
      coherence::Fill fill;
      fill.cacheable = false;
      op.lane->shown(op.hash);
      op.lane->cache.reply(op.hash, op.flight, fill, worker_.heard_at(), op.waiters);
    }
    if (op.alone && !has_left(op)) {
      op.waiters.push_back(ticket(id));
    }
  }
  // The last piece ends this operation too.
  const coherence::Waiters waiters = op.waiters;
  const bool nil =
      last && !op.started && op.command == command_ids().get && (bytes == kNil || bytes == "_\r\n");
  const bool stale = op.extra && op.extra->loading && op.extra->loading->age >= Age::stale;
  if (stale && !op.started) [[unlikely]] {
    worker_.hub().loads->count(op.space, LoadCounter::stale, waiters.size());
  }
  tell_waiters(waiters, nil ? kNil : bytes,
               nil     ? News::nil
               : stale ? News::stale
                       : News::bytes,
               last);
}

void Session::end_flight(std::uint64_t id, std::string_view bytes) {
  Op& op = queue_.at(id);
  const Heard heard = hear(op.command, bytes, op.pttl);
  const bool there = !is_loading(op) || redis_has(worker_, op, bytes);
  if (op.lane->master != nullptr && worker_.clustered() && (heard.nil || heard.missing || !there))
      [[unlikely]] {
    ask_master_instead(id);
    return;
  }
  coherence::Fill fill;
  fill.cacheable = heard.consistent && !op.pttl_bad;
  fill.missing = heard.missing;
  fill.reply = heard.nil ? kNil : bytes;
  fill.pttl_ms = op.pttl == kTtlNotAsked && heard.missing ? kNoKey : op.pttl;
  // The link it came by: none is left while it owes.
  op.lane->set_source(fill, link_of(*op.lane)->next_place().source);
  const Time at = worker_.heard_at();
  worker_.spaces().limit(fill, op.space, op.hash, at, op.lane->cache.status().view().proof);
  bool loading = false;
  if (op.extra && op.extra->loading) [[unlikely]] {
    const Loading& wanted = *op.extra->loading;
    fill.cacheable = fill.cacheable && wanted.kept && (there || heard.nil || heard.missing);
    loading = !there && !worker_.hub().loads->is_absent(
                            {op.lane, spec_.db, wanted.keys[0], op.hash, op.space, {}}, at);
    if (there && worker_.spaces().ages(op.space) && ages(op)) {
      fill.pttl_ms = note_age(id, true);
      fill.cacheable = fill.cacheable && wanted.age < Age::stale;
      loading = wanted.age == Age::old;
    }
  }
  coherence::Waiters waiters = op.waiters;
  op.waiters.clear();
  op.lane->shown(op.hash);
  const bool left = has_left(op);
  const bool filled = !left && op.lane->cache.reply(op.hash, op.flight, fill, at, waiters);
  if (op.alone && !left) {
    waiters.push_back(ticket(id));
  }
  if (loading) {
    load(id, waiters, there ? bytes : std::string_view());
    return;
  }
  News news = heard.nil ? News::nil : News::bytes;
  if (op.extra && op.extra->loading && op.extra->loading->age == Age::stale) [[unlikely]] {
    worker_.hub().loads->count(op.space, LoadCounter::stale, waiters.size());
    news = heard.nil ? News::nil : News::stale;
  }
  count_fill(op.space, filled);
  tell_waiters(waiters, fill.reply, news, true);
}

// The bytes go to each who waits, on this thread or another. This session waits too.
void Session::tell_waiters(const coherence::Waiters& waiters, std::string_view bytes, News news,
                           bool last) {
  boost::container::small_vector<std::pair<std::uint32_t, std::vector<Ticket>>, 4> abroad;
  for (const coherence::Waiter waiter : waiters) {
    const Ticket ticket = Ticket::unpack(waiter);
    if (ticket.worker == worker_.index()) {
      if (Session* session = worker_.find(ticket.session)) {
        session->on_flight(session->op_of(ticket.op), bytes, news, last);
      }
      continue;
    }
    auto at = std::find_if(abroad.begin(), abroad.end(),
                           [&](const auto& group) { return group.first == ticket.worker; });
    if (at == abroad.end()) {
      at = abroad.insert(abroad.end(), {ticket.worker, {}});
    }
    at->second.push_back(ticket);
  }
  if (abroad.empty()) {
    return;
  }
  const auto shared = std::make_shared<const std::string>(bytes);
  for (auto& [index, tickets] : abroad) {
    Worker& worker = *worker_.hub().workers.at(index);
    worker.post([&worker, tickets = std::move(tickets), shared, news, last] {
      for (const Ticket& ticket : tickets) {
        if (Session* session = worker.find(ticket.session)) {
          session->on_flight(session->op_of(ticket.op), *shared, news, last);
        }
      }
    });
  }
}

void Session::on_flight(std::uint64_t id, std::string_view bytes, News news, bool last) {
  if (!queue_.contains(id)) {
    return;
  }
  Op& op = queue_.at(id);
  if (news == News::broken) {
    if (repeats(id)) {
      return;
    }
    worker_.count(stats::Counter::l2_errors);
  }
  if (news == News::nil) {
    deliver(op, spec_.version == resp::Version::resp3 ? std::string_view("_\r\n") : kNil);
  } else if (news == News::broken && op.started) {
    doom();  // half a reply is out
  } else {
    if (op.marks && !op.started && (news == News::stale || news == News::kept)) [[unlikely]] {
      deliver(op, stale_mark({news == News::kept, 1}));
    }
    deliver(op, bytes);
  }
  op.started = true;
  if (last) {
    if (op.foreign && stall_ == Stall::foreign) {
      stall_ = Stall::none;
    }
    finish(op);
  }
  worker_.touch(*this);
}

void Session::on_flight_lost(std::uint64_t id, std::string_view why) {
  Op& op = queue_.at(id);
  std::string bytes;
  resp::append_error(bytes, away_text(why, *op.lane));
  coherence::Waiters waiters = op.waiters;
  op.waiters.clear();
  if (!op.streaming) {
    if (!has_left(op)) {
      op.lane->cache.flight_lost(op.hash, op.flight, waiters);
      if (op.alone) {
        waiters.push_back(ticket(id));
      }
    }
    if (op.extra && op.extra->loading && may_all() &&
        worker_.hub().loads->fits(op.space, op.extra->loading->keys[0])) {
      op.extra->loading->away = true;
      load(id, waiters, {});
      return;
    }
  }
  tell_waiters(waiters, bytes, News::broken, true);
}

void Session::done_reading(Op& op) {
  if (!op.reading) {
    return;
  }
  op.reading = false;
  if (op.kind == OpKind::flight || op.kind == OpKind::joined) {
    coherence_.on_read_done(op.hash);
  } else if (op.fills_keys()) {
    for (const MultiFill::Part& part : op.more().multi.parts) {
      coherence_.on_read_done(part.hash);
    }
  } else {
    for (const KeyHash hash : op.effects.reads()) {
      coherence_.on_read_done(hash);
    }
  }
}

}  // namespace tiercache::proxy
