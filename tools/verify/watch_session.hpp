// A session that increments shared counters by WATCH, GET, MULTI, SET, EXEC, in competition with
// others that do the same: through every proxy and directly.
#pragma once

#include "due_floors.hpp"
#include "session.hpp"

#include <optional>

namespace tiercache::verify {

class WatchSession final : public Session {
 public:
  WatchSession(RunState& run, Tally& tally, Identity identity)
      : Session(run, tally, std::move(identity)), due_(run.max_staleness()) {
  }

 protected:
  void prepare(Nanos now) override {
    due_.drain(now, run_.book);
    if (read_) {
      write(now);
    } else if (run_.phase.load(std::memory_order_relaxed) == Phase::writing) {
      watch();
    } else {
      next_at_ = now + 5'000'000;
    }
  }
  void on_watched(const Op& op, Seen seen) override {
    if (seen.kind == Seen::Kind::value || seen.kind == Seen::Kind::absent) {
      read_ = make_version(incarnation_of(op.version), seen.number);
      key_ = op.key;
    }
  }
  void on_write(std::span<const Op> ops, const Reply& reply) override {
    const Op& op = ops[0];
    if (reply.kind == Reply::Kind::nil) {
      return;
    }
    if (!is_write_reply(run_.book.info(op.key), op, reply)) {
      violated(Check::protocol, op, "EXEC answered neither nil nor one OK");
      return;
    }
    run_.watch.on_success(op.key, incarnation_of(op.version));
    acknowledge(op);
    due_.add(op.key, op.version, replied_at());
  }
  void on_unknown(std::span<const Op> ops) override {
    run_.watch.on_unknown(ops[0].key, incarnation_of(ops[0].version));
  }
  void on_connected() override {
    read_.reset();
  }

 private:
  static constexpr Nanos kPace = 2'000'000;

  void watch() {
    const KeyId key = run_.plan.watched.first + random_.below(run_.plan.watched.count);
    begin_command(2);
    word("WATCH");
    key_word(key, run_.book.incarnation(key));
    push_op({OpKind::ok});
    get_watched(key);
  }
  void write(Nanos now) {
    Op op;
    op.kind = OpKind::exec_watch;
    op.key = key_;
    op.version = *read_ + 1;
    read_.reset();
    run_.book.issue_up_to(op.key, op.version);
    command({"MULTI"});
    push_op({OpKind::ok});
    begin_command(3);
    word("SET");
    key_word(op.key, incarnation_of(op.version));
    word(std::uint64_t{number_of(op.version)});
    push_op({OpKind::queued});
    command({"EXEC"});
    push_op(op);
    next_at_ = now + kPace;
  }

  DueFloors due_;
  KeyId key_ = 0;
  std::optional<Version> read_{};
};

}  // namespace tiercache::verify
