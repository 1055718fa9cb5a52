#include "reply_queue.hpp"

#include <utility>

namespace tiercache::proxy {

namespace {

constexpr std::size_t kKeptBytes = 4096;
constexpr std::size_t kIdleSlots = 64;   // what a client that sends nothing keeps
constexpr std::size_t kBusySlots = 256;  // what one that goes on keeps between its pipelines
constexpr std::size_t kFirstSlots = 4;

void shrink(std::string& text) {
  if (text.capacity() > kKeptBytes) {
    std::string().swap(text);
  } else {
    text.clear();
  }
}

}  // namespace

void Op::reset() {
  kind = OpKind::ready;
  done = held = started = owed = reading = unknown = false;
  streaming = pttl_bad = foreign = alone = wide = harmless = repeatable = exec = ran = muted =
      timed = vital = false;
  command = 0;
  delivered = 0;
  pttl = 0;
  hash = 0;
  flight = 0;
  effects.clear();
  shrink(request);
  shrink(out);
  shrink(gather);
  waiters.clear();
  extra.reset();
}

Op& ReplyQueue::push(OpKind kind) {
  if (size() == ring_.size()) {
    std::vector<Op> larger(ring_.empty() ? kFirstSlots : ring_.size() * 2);
    for (std::uint64_t id = head_; id < tail_; id++) {
      larger[id & (larger.size() - 1)] = std::move(ring_[id & (ring_.size() - 1)]);
    }
    ring_ = std::move(larger);
  }
  Op& op = ring_[tail_ & (ring_.size() - 1)];
  tail_++;
  op.kind = kind;
  return op;
}

void ReplyQueue::pop() {
  front().reset();
  head_++;
}

void ReplyQueue::release() {
  TC_CHECK(empty());
  if (ring_.size() > kBusySlots) {
    std::vector<Op>().swap(ring_);
  }
}

void ReplyQueue::tick() {
  if (std::exchange(last_tick_, tail_) == tail_ && empty() && ring_.size() > kIdleSlots) {
    std::vector<Op>().swap(ring_);
  }
}

}  // namespace tiercache::proxy
