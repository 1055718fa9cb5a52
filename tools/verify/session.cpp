#include "session.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace tiercache::verify {
namespace {

constexpr Nanos kReconnectDelay = 20'000'000;
constexpr std::size_t kMaxGroup = 16;

void append_header(std::string& out, char type, std::uint64_t number) {
  char text[24];
  text[0] = type;
  const auto [end, error] = std::to_chars(text + 1, text + sizeof text - 2, number);
  end[0] = '\r';
  end[1] = '\n';
  out.append(text, static_cast<std::size_t>(end + 2 - text));
}

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
    const Seen seen = interpret(first.kind, run_.book.info(first.key), first.key,
                                incarnation_of(first.version), reply);
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

void Session::judge_together(std::span<const Op> ops, std::span<const Seen> seen) {
  const KeyId key = ops[0].key;
  if (!run_.plan.pairs.has(key) && !run_.plan.octets.has(key)) {
    return;
  }
  const Range group = run_.plan.group_of(key);
  const auto belongs = [&](const Op& op) {
    return group.has(op.key) && op.version == ops[0].version;
  };
  if (ops.size() != group.count || !std::all_of(ops.begin(), ops.end(), belongs)) {
    return;
  }
  tally_.check(Check::torn).add();
  if (is_torn(seen)) {
    std::string text = "keys written together were seen apart:";
    for (const Seen& member : seen) {
      text += ' ';
      text += member.kind == Seen::Kind::value ? std::to_string(member.number) : std::string("-");
    }
    violated(Check::torn, ops[0], std::move(text));
  }
}

Bounds Session::bounds_of(const Op& op, bool& comparable) const noexcept {
  const Version incarnation = incarnation_of(op.version);
  const auto session = narrow(latest_[op.key] >> 1, incarnation);
  const auto proxy = narrow(op.proxy_floor, incarnation);
  const auto direct = narrow(op.direct_floor, incarnation);
  const auto issued = narrow(run_.book.issued(op.key), incarnation);
  comparable = session && proxy && direct && issued;
  if (!comparable) {
    return {};
  }
  return {*session, (latest_[op.key] & 1U) != 0, *proxy, *direct, *issued};
}

void Session::judge_read(const Op& op, Seen seen) {
  bool comparable = false;
  const Bounds bounds = bounds_of(op, comparable);
  if (!comparable) {
    tally_.unjudged.add();
    return;
  }
  const KeyInfo& info = run_.book.info(op.key);
  const Ruling ruling = judge(info, op.key, bounds, seen);
  (lane() == run_.plan.direct_lane() ? tally_.direct_reads : tally_.reads).add();
  tally_.check(Check::whole).add();
  if (bounds.session != 0) {
    tally_.check(bounds.session_wrote ? Check::own_write : Check::monotonic).add();
  }
  tally_.check(Check::proxy_time).add(bounds.proxy != 0 ? 1 : 0);
  tally_.check(Check::staleness).add(bounds.direct != 0 ? 1 : 0);
  note(op, Step::Result::seen, seen);
  if (ruling.broken) [[unlikely]] {
    violated(*ruling.broken, op, explain(op, bounds, seen));
    return;
  }
  if (!ruling.proven) {
    return;
  }
  if (info.expires) {
    judge_expiry(op, *ruling.proven, seen);
  }
  const Version version = op.version | *ruling.proven;
  if (latest_[op.key] >> 1 < version) {
    latest_[op.key] = version << 1;
  }
  if (version > op.proxy_floor) {
    run_.book.raise_floor(lane(), op.key, version);
  }
}

void Session::judge_expiry(const Op& op, Version proven, Seen seen) {
  const Version version = op.version | proven;
  if (!is_absent(run_.book.info(op.key), proven)) {
    tally_.check(Check::expired).add();
    // Presence or length alone name no state: they are judged if only the last one is possible.
    const bool certain = seen.kind == Seen::Kind::value || run_.book.issued(op.key) == version + 1;
    if (certain && run_.expiry.is_expired(op.key, version, sent_at_)) {
      violated(Check::expired, op, "state " + std::to_string(proven) + " had expired");
    }
    return;
  }
  if (proven == 0) {
    return;
  }
  tally_.check(Check::early).add();
  const Version issued = run_.book.issued(op.key);
  for (Version state = version - 1; state < issued; state += 2) {
    if (!run_.expiry.is_early(op.key, state, replied_at_)) {
      return;
    }
  }
  violated(Check::early, op, "absent before any of its states could have expired");
}

bool Session::judge_increment(const Op& op, const Reply& reply) {
  Op read = op;
  read.version = make_version(incarnation_of(op.version), 0);
  const Seen seen = interpret(OpKind::incr, run_.book.info(op.key), op.key, 0, reply);
  bool comparable = false;
  const Bounds bounds = bounds_of(read, comparable);
  if (seen.kind != Seen::Kind::value) {
    violated(Check::protocol, op, "INCR answered no number");
    return false;
  }
  tally_.check(Check::previous).add();
  if (comparable && (seen.number > bounds.issued || seen.number <= bounds.session ||
                     seen.number <= bounds.proxy)) {
    violated(Check::previous, read, explain(read, bounds, seen));
  }
  return true;
}

void Session::acknowledge(const Op& op) {
  tally_.writes.add();
  note(op, Step::Result::written, {});
  latest_[op.key] = std::max(latest_[op.key], (op.version << 1) | 1U);
  run_.book.raise_floor(lane(), op.key, op.version);
}

void Session::note(const Op& op, Step::Result result, Seen seen) {
  Step step;
  step.sent = sent_at_;
  step.replied = replied_at_;
  step.key = op.key;
  step.version =
      result == Step::Result::seen ? op.version | (seen.number & kMaxNumber) : op.version;
  step.kind = op.kind;
  step.result = result;
  step.seen = seen.kind;
  trace_.record(step);
}

std::string Session::explain(const Op& op, const Bounds& bounds, Seen seen) const {
  Step step;
  step.version = seen.number & kMaxNumber;
  step.kind = op.kind;
  step.seen = seen.kind;
  std::string text = describe(step);
  text += "; this session was at " + std::to_string(bounds.session);
  text += bounds.session_wrote ? " (wrote it)" : "";
  text += ", this proxy at " + std::to_string(bounds.proxy);
  text += ", acknowledged for max_staleness " + std::to_string(bounds.direct);
  text += ", last issued " + std::to_string(bounds.issued);
  return text;
}

void Session::violated(Check check, const Op& op, std::string text) {
  Violation violation;
  violation.check = check;
  violation.key = op.key;
  violation.incarnation = incarnation_of(op.version);
  violation.at = replied_at_;
  violation.who = who_;
  violation.text = std::string(name_of(op.kind)) + ": " + std::move(text);
  run_.violations.report(std::move(violation));
}

Op Session::read_op(OpKind kind, KeyId key) const noexcept {
  Op op;
  op.kind = kind;
  op.key = key;
  op.version = make_version(run_.book.incarnation(key), 0);
  op.proxy_floor = run_.book.floor(lane(), key);
  op.direct_floor = run_.book.direct_floor(key);
  return op;
}

void Session::begin_command(std::size_t words) {
  append_header(connection_.out(), '*', words);
}
void Session::word(std::string_view text) {
  std::string& out = connection_.out();
  append_header(out, '$', text.size());
  out.append(text);
  out.append("\r\n", 2);
}
void Session::word(std::uint64_t number) {
  char text[24];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  word(std::string_view(text, static_cast<std::size_t>(end - text)));
}
void Session::command(std::initializer_list<std::string_view> words) {
  begin_command(words.size());
  for (const std::string_view text : words) {
    word(text);
  }
}
void Session::key_word(KeyId key, Version incarnation) {
  char text[5 + Names::kSize + 2];
  static_assert(Names::kSize == 21);
  std::memcpy(text, "$21\r\n", 5);
  run_.names.write(text + 5, key, incarnation);
  std::memcpy(text + 5 + Names::kSize, "\r\n", 2);
  connection_.out().append(text, sizeof text);
}

void Session::get(KeyId key) {
  const Op op = read_op(OpKind::get, key);
  connection_.out().append("*2\r\n$3\r\nGET\r\n", 13);
  key_word(key, incarnation_of(op.version));
  ops_.push_back(op);
}

void Session::get_watched(KeyId key) {
  get(key);
  ops_.back().kind = OpKind::watched_get;
}

void Session::read(OpKind kind, KeyId key) {
  const Op op = read_op(kind, key);
  const auto send = [&](std::string_view name, std::initializer_list<std::string_view> tail) {
    begin_command(2 + tail.size());
    word(name);
    key_word(key, incarnation_of(op.version));
    for (const std::string_view text : tail) {
      word(text);
    }
  };
  switch (kind) {
    case OpKind::getrange:
      send("GETRANGE", {"0", "-1"});
      break;
    case OpKind::hget:
      send("HGET", {random_.below(2) == 0 ? "a" : "b"});
      break;
    case OpKind::hmget:
      send("HMGET", {"a", "b"});
      break;
    case OpKind::lindex:
      send("LINDEX", {"0"});
      break;
    case OpKind::lrange:
      send("LRANGE", {"0", "-1"});
      break;
    case OpKind::zscore:
      send("ZSCORE", {"m"});
      break;
    case OpKind::zrange:
      send("ZRANGE", {"0", "-1", "WITHSCORES"});
      break;
    default:
      send(name_of(kind), {});
  }
  ops_.push_back(op);
}

void Session::read_many(OpKind kind, std::span<const KeyId> keys) {
  begin_command(1 + keys.size());
  word(name_of(kind));
  const std::size_t first = ops_.size();
  for (const KeyId key : keys) {
    ops_.push_back(read_op(kind, key));
    key_word(key, incarnation_of(ops_.back().version));
  }
  ops_[first].count = static_cast<std::uint8_t>(keys.size());
}

void Session::read_in_exec(std::span<const KeyId> keys) {
  command({"MULTI"});
  push_op({OpKind::ok});
  std::array<Op, kMaxGroup> reads;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    reads[i] = read_op(OpKind::exec_get, keys[i]);
    begin_command(2);
    word("GET");
    key_word(keys[i], incarnation_of(reads[i].version));
    push_op({OpKind::queued});
  }
  command({"EXEC"});
  reads[0].count = static_cast<std::uint8_t>(keys.size());
  ops_.insert(ops_.end(), reads.begin(), reads.begin() + static_cast<std::ptrdiff_t>(keys.size()));
}

}  // namespace tiercache::verify
