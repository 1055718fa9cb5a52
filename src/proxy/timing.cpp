// Session: how long its client waits, for CACHE LATENCY and CACHE SLOWLOG.
//
// What Redis answers is timed one by one, from its dispatch until the end of its answer has been
// read. None costs a look at the clock of its own: replies that were read together ended together,
// and the hits of a wake-up are timed together.
#include "session.hpp"

#include "tiercache/base/words.hpp"

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

// As Redis keeps passwords out of its own log.
void redact(std::vector<std::string>& words) {
  constexpr std::string_view kSecret[] = {"auth", "hello", "acl", "config", "migrate"};
  const bool secret = !words.empty() && std::ranges::any_of(kSecret, [&](std::string_view name) {
    return is_word(words[0], name);
  });
  if (secret && words.size() > 1) {
    words.resize(1);
    words.emplace_back("(redacted)");
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
    keep_slow(took, by, words_of_head({op.head.data(), op.head_size}, op.size));
  }
}

void Session::end_hits() {
  const std::uint32_t hits = std::exchange(hits_, 0);
  const Duration took = now() - time_;
  worker_.latencies().record(Answered::hit, took, hits);
  if (worker_.slow(took)) {
    // Which of them it was that took long is not known.
    const auto commands = worker_.table().commands();
    std::vector<std::string> words;
    if (last_command_ < commands.size()) {
      words.emplace_back(commands[last_command_].name);
    }
    words.push_back("... (" + std::to_string(hits) + " answers from memory at a time)");
    keep_slow(took, Answered::hit, std::move(words));
  }
}

void Session::keep_slow(Duration took, Answered by, std::vector<std::string> words) {
  redact(words);
  SlowEntry entry;
  entry.id = worker_.hub().next_slow_id.fetch_add(1, std::memory_order_relaxed);
  entry.unix_s = std::chrono::duration_cast<std::chrono::seconds>(
                     std::chrono::system_clock::now().time_since_epoch())
                     .count();
  entry.took = std::chrono::duration_cast<std::chrono::microseconds>(took);
  entry.by = by;
  entry.args = std::move(words);
  entry.peer = peer_;
  entry.name = name_;
  worker_.slow_log().add(std::move(entry), worker_.config().slowlog.max_len);
}

}  // namespace tiercache::proxy
