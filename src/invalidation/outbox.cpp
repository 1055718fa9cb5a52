#include "outbox.hpp"

#include "tiercache/base/check.hpp"

#include <utility>

namespace tiercache::invalidation {

namespace {

std::size_t bytes_of(const Notice& notice) noexcept {
  return sizeof notice + notice.name.size() + notice.value.size();
}

}  // namespace

void Outbox::add(Notice notice) {
  const std::size_t bytes = bytes_of(notice);
  const bool too_large = bytes > limits_.batch_bytes;
  while (!queue_.empty() && (too_large || queue_.size() == limits_.queue ||
                             queue_bytes_ + bytes > limits_.queue_bytes)) {
    lose(take_oldest());
    totals_.lost++;
  }
  if (too_large) {
    lose(notice);
    totals_.lost++;
    return;
  }
  queue_bytes_ += bytes;
  queue_.push_back(std::move(notice));
}

// REQUIRES: one waits.
Notice Outbox::take_oldest() {
  Notice oldest = std::move(queue_.front());
  queue_.pop_front();
  queue_bytes_ -= bytes_of(oldest);
  return oldest;
}

// The gap stands for the last of them. Of a delivery with a gap of its own that is older.
void Outbox::lose(const Notice& notice) {
  gap_.lost += notice.kind == Notice::Kind::lost ? notice.lost : 1;
  if (notice.id > gap_.id) {
    gap_.id = notice.id;
    gap_.at = notice.at;
  }
}

const std::vector<Notice>* Outbox::next(Time now) {
  if (busy_ || !has_work() || now < resting_until_) {
    return nullptr;
  }
  if (delivery_.empty()) {
    if (gap_.lost > 0) {
      delivery_.push_back(gap_);
      gap_.lost = 0;
    }
    std::size_t bytes = 0;
    while (!queue_.empty() && delivery_.size() < limits_.batch &&
           (bytes += bytes_of(queue_.front())) <= limits_.batch_bytes) {
      delivery_.push_back(take_oldest());
    }
  }
  busy_ = true;
  return &delivery_;
}

std::size_t Outbox::told_in_delivery() const noexcept {
  const bool gap = !delivery_.empty() && delivery_.front().kind == Notice::Kind::lost;
  return delivery_.size() - (gap ? 1 : 0);
}

void Outbox::taken() {
  TC_CHECK(busy_);
  totals_.told += told_in_delivery();
  delivery_.clear();
  attempts_ = 0;
  busy_ = false;
  backoff_.reset();
}

Outbox::Then Outbox::failed(Fault fault, Time now, std::uint64_t random) {
  TC_CHECK(busy_);
  busy_ = false;
  totals_.failed++;
  resting_until_ = now + backoff_.next(random);
  if (fault == Fault::away || ++attempts_ < limits_.attempts) {
    return Then::again;
  }
  for (const Notice& notice : delivery_) {
    lose(notice);
  }
  totals_.lost += told_in_delivery();
  delivery_.clear();
  attempts_ = 0;
  return Then::given_up;
}

Outbox::Totals Outbox::totals() const noexcept {
  Totals totals = totals_;
  totals.waiting = queue_.size() + told_in_delivery();
  return totals;
}

}  // namespace tiercache::invalidation
