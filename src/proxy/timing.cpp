// Session: how long its client waits, for CACHE LATENCY and CACHE SLOWLOG.
//
// What Redis answers is timed one by one, from its dispatch until the end of its answer has been
// read. None costs a look at the clock of its own: replies that were read together ended together,
// and the hits of a wake-up are timed together.
#include "session.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace tiercache::proxy {

using stats::Answered;

namespace {

Answered answered_by(const Op& op) {
  switch (op.kind) {
    case OpKind::flight:
    case OpKind::joined:
    case OpKind::multi:
      return Answered::miss;
    default:
      return op.effects.wide() || !op.effects.writes().empty() ? Answered::write : Answered::other;
  }
}

}  // namespace

void Session::begin_timing(Op& op) const {
  op.timed = op.kind != OpKind::internal && op.kind != OpKind::extension;
  op.begun = time_;
  op.size = request_->raw.size();
  op.head_size = static_cast<std::uint8_t>(std::min(kSlowHead, op.size));
  std::memcpy(op.head.data(), request_->raw.data(), op.head_size);
}

void Session::end_timing(const Op& op) {
  const Duration took = worker_.heard_at() - op.begun;
  const Answered by = answered_by(op);
  worker_.latencies().record(by, took);
  if (worker_.slow(took)) {
    if (SlowEntry* entry = keep_slow(took, by)) {
      entry->set_head({op.head.data(), op.head_size});
      entry->size = op.size;
      entry->hits = 0;
    }
  }
}

void Session::end_hits() {
  const std::uint32_t hits = std::exchange(hits_, 0);
  const Duration took = now() - time_;
  worker_.latencies().record(Answered::hit, took, hits);
  if (worker_.slow(took)) {
    if (SlowEntry* entry = keep_slow(took, Answered::hit)) {
      const auto commands = worker_.table().commands();
      entry->set_head(last_command_ < commands.size() ? commands[last_command_].name
                                                      : std::string_view());
      entry->hits = hits;
    }
  }
}

SlowEntry* Session::keep_slow(Duration took, Answered by) {
  SlowEntry* entry = worker_.slow_log().add(worker_.config().slowlog.max_len);
  if (entry != nullptr) {
    entry->id = worker_.hub().next_slow_id.fetch_add(1, std::memory_order_relaxed);
    entry->ended = worker_.heard_at();
    entry->took = std::chrono::duration_cast<std::chrono::microseconds>(took);
    entry->by = by;
    entry->peer = peer_;
    entry->name = name_;
  }
  return entry;
}

}  // namespace tiercache::proxy
