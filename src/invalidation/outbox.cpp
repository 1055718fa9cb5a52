#include "outbox.hpp"

#include "tiercache/base/check.hpp"

#include <utility>

namespace tiercache::invalidation {

void Outbox::add(Notice notice) {
  if (queue_.size() == limits_.queue) {
    lose(queue_.front());
    totals_.lost++;
    queue_.pop_front();
  }
  queue_.push_back(std::move(notice));
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
    while (!queue_.empty() && delivery_.size() < limits_.batch) {
      delivery_.push_back(std::move(queue_.front()));
      queue_.pop_front();
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
