#include "violations.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>

namespace tiercache::verify {
namespace {

constexpr std::size_t kTraceSteps = 20;

}  // namespace

void Violations::report(Violation violation) {
  const std::scoped_lock lock(mutex_);
  std::uint32_t& traced = traced_[static_cast<std::size_t>(violation.check)];
  if (traced < kMaxTraced) {
    ++traced;
    wanted_.push_back({violation.key, violation.at, {}});
    wanted_count_.store(wanted_.size(), std::memory_order_release);
  }
  if (mode_ == Mode::certain || pending_.size() >= kMaxPending) {
    count_in(violation);
    return;
  }
  pending_.push_back(std::move(violation));
}

void Violations::count_in(const Violation& violation) {
  std::uint64_t& count = counts_[static_cast<std::size_t>(violation.check)];
  if (count++ < kMaxTraced) {
    confirmed_.push_back(violation);
  }
}

void Violations::confirm_before(Nanos since, const Book& book) {
  const std::scoped_lock lock(mutex_);
  const auto later = std::stable_partition(pending_.begin(), pending_.end(),
                                           [&](const Violation& v) { return v.at < since; });
  std::for_each(pending_.begin(), later, [&](const Violation& v) {
    if (book.incarnation(v.key) == v.incarnation) {
      count_in(v);
    } else {
      ++dropped_;
    }
  });
  pending_.erase(pending_.begin(), later);
}

void Violations::drop_pending() {
  const std::scoped_lock lock(mutex_);
  dropped_ += pending_.size();
  for (const Violation& violation : pending_) {
    // What was traced is gone; the next of its kind deserves a trace.
    std::uint32_t& traced = traced_[static_cast<std::size_t>(violation.check)];
    traced -= traced > 0 ? 1 : 0;
  }
  pending_.clear();
}

KeyId Violations::wanted_key(std::size_t n) {
  const std::scoped_lock lock(mutex_);
  return wanted_[n].key;
}

void Violations::give_trace(std::size_t n, std::vector<TraceLine> lines) {
  const std::scoped_lock lock(mutex_);
  std::vector<TraceLine>& all = wanted_[n].lines;
  all.insert(all.end(), std::make_move_iterator(lines.begin()),
             std::make_move_iterator(lines.end()));
}

std::uint64_t Violations::count(Check check) const {
  const std::scoped_lock lock(mutex_);
  return counts_[static_cast<std::size_t>(check)];
}

std::uint64_t Violations::total() const {
  const std::scoped_lock lock(mutex_);
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

std::uint64_t Violations::dropped() const {
  const std::scoped_lock lock(mutex_);
  return dropped_;
}

std::vector<Violation> Violations::examples() {
  const std::scoped_lock lock(mutex_);
  std::vector<Violation> out = confirmed_;
  for (Violation& violation : out) {
    for (const Wanted& wanted : wanted_) {
      if (wanted.key == violation.key && wanted.at == violation.at) {
        violation.trace = wanted.lines;
        arrange(violation.trace, violation.at, kTraceSteps);
        break;
      }
    }
  }
  return out;
}

}  // namespace tiercache::verify
