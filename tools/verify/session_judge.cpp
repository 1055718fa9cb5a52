// Session, the part that judges what a reply shows.
#include "session.hpp"

#include <algorithm>

namespace tiercache::verify {

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

}  // namespace tiercache::verify
