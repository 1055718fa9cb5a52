#include "session.hpp"

#include <algorithm>
#include <array>

namespace tiercache::verify {
namespace {

constexpr Nanos kReconnectDelay = 20'000'000;

}  // namespace

Session::Session(RunState& run, Tally& tally, Identity identity)
    : run_(run),
      tally_(tally),
      random_(identity.seed),
      identity_(std::move(identity)),
      who_(run.lane_name(identity_.lane) + "." + identity_.role),
      latest_(run.book.size()) {
}

void Session::step(Nanos now) {
  if (state_ == State::down) {
    if (now >= next_at_) {
      sent_at_ = now;
      state_ = connection_.open(run_.endpoint(lane())) ? State::connecting : State::down;
      next_at_ = state_ == State::down ? now + kReconnectDelay : now;
    }
    return;
  }
  const bool waits = state_ == State::connecting || !is_idle();
  if (waits && now - sent_at_ > run_.settings.reply_timeout_ms * 1'000'000) {
    lose(now);
  } else if (state_ == State::up && is_idle() && now >= next_at_) {
    begin(now);
  }
}

void Session::begin(Nanos now) {
  ops_.clear();
  next_op_ = 0;
  sent_at_ = now;
  prepare(now);
  if (!ops_.empty() && connection_.flush() == Connection::Io::closed) {
    lose(now);
  }
}

void Session::on_ready(Nanos now) {
  if (state_ == State::connecting) {
    if (!connection_.is_connected()) {
      lose(now);
      return;
    }
    state_ = State::up;
    on_connected();
    if (identity_.protocol == Protocol::resp3) {
      ops_.clear();
      next_op_ = 0;
      sent_at_ = now;
      command({"HELLO", "3"});
      push_op({OpKind::hello});
      if (connection_.flush() == Connection::Io::closed) {
        lose(now);
      }
    }
    return;
  }
  if (connection_.has_unsent() && connection_.flush() == Connection::Io::closed) {
    lose(now);
    return;
  }
  const Connection::Io io = connection_.fill();
  replied_at_ = now_nanos();
  if (io == Connection::Io::closed || !parse_replies()) {
    lose(replied_at_);
  } else if (is_idle() && replied_at_ >= next_at_) {
    begin(replied_at_);
  }
}

void Session::lose(Nanos now) {
  connection_.close();
  state_ = State::down;
  next_at_ = now + kReconnectDelay;
  tally_.lost.add();
  replied_at_ = now;
  // A peer that hangs up on HELLO is spoken to in the older protocol from now on.
  if (next_op_ < ops_.size() && ops_[next_op_].kind == OpKind::hello) {
    identity_.protocol = Protocol::resp2;
  }
  while (next_op_ < ops_.size()) {
    const std::span<const Op> ops = std::span(ops_).subspan(next_op_, ops_[next_op_].count);
    next_op_ += ops.size();
    if (is_write(ops[0].kind)) {
      tally_.unknown.add();
      for (const Op& op : ops) {
        note(op, Step::Result::failed, {});
      }
      on_unknown(ops);
    }
  }
}

bool Session::parse_replies() {
  while (next_op_ < ops_.size()) {
    Reply reply;
    std::size_t used = 0;
    const auto status = parser_->parse(connection_.input(), used, reply);
    if (status == ReplyParser::Status::partial) {
      return true;
    }
    if (status == ReplyParser::Status::broken) {
      violated(Check::protocol, ops_[next_op_], "bytes that are no reply");
      return false;
    }
    connection_.consume(used);
    tally_.check(Check::protocol).add();
    if (reply.kind == Reply::Kind::push) {
      continue;
    }
    const std::span<const Op> ops = std::span(ops_).subspan(next_op_, ops_[next_op_].count);
    next_op_ += ops.size();
    on_reply(ops, reply);
  }
  if (!connection_.input().empty()) {
    violated(Check::protocol, ops_.empty() ? Op{} : ops_.back(), "a reply that nobody asked for");
    return false;
  }
  return true;
}

void Session::on_reply(std::span<const Op> ops, const Reply& reply) {
  const Op& op = ops[0];
  if (is_read(op.kind) && reply.kind != Reply::Kind::error) {
    on_read_reply(ops, reply);
    return;
  }
  if (reply.kind == Reply::Kind::error) {
    tally_.errors.add();
    run_.note_error(name_of(op.kind), reply.text);
    for (const Op& each : ops) {
      note(each, Step::Result::failed, {});
    }
    if (is_write(op.kind)) {
      tally_.unknown.add();
      on_unknown(ops);
    }
    return;
  }
  if (is_write(op.kind)) {
    on_write(ops, reply);
    return;
  }
  const bool right = op.kind == OpKind::ok       ? reply.is("OK")
                     : op.kind == OpKind::queued ? reply.is("QUEUED")
                                                 : reply.kind == Reply::Kind::list;
  if (!right) {
    violated(Check::protocol, op, "not the reply of " + std::string(name_of(op.kind)));
  }
}

void Session::on_read_reply(std::span<const Op> ops, const Reply& reply) {
  const Op& first = ops[0];
  if (first.kind != OpKind::mget && first.kind != OpKind::exec_get) {
    Seen seen = interpret(first.kind, run_.book.info(first.key), first.key,
                          incarnation_of(first.version), reply);
    if (seen.kind == Seen::Kind::member || seen.kind == Seen::Kind::outsider) {
      seen.number = first.member;
    }
    judge_read(first, seen);
    if (first.kind == OpKind::watched_get) {
      on_watched(first, seen);
    }
    return;
  }
  if (reply.kind != Reply::Kind::list || reply.items.size() != ops.size()) {
    violated(Check::protocol, first, "not as many values as keys");
    return;
  }
  std::array<Seen, kMaxGroup> seen;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const Op& op = ops[i];
    seen[i] = interpret(OpKind::get, run_.book.info(op.key), op.key, incarnation_of(op.version),
                        reply.items[i]);
    judge_read(op, seen[i]);
  }
  judge_together(ops, std::span(seen).first(ops.size()));
}

}  // namespace tiercache::verify
