#include "tiercache/l1/tinylfu.hpp"

#include <algorithm>

namespace tiercache::l1 {

void TinyLfu::insert(Entry* entry) {
  settle();
  sketch_.reserve(entries() + 1);
  sketch_.count(entry->home_hash(), period());
  entry->set_policy_bits(window);
  parts_[window].push(entry);
  // While there is room, main takes all that the window lets go.
  const std::size_t share = std::max<std::size_t>(1, amount() / 100);
  while (parts_[window].size() > 1 && parts_[window].amount(measure_) > share) {
    move(parts_[window].oldest(), probation);
  }
}

Entry* TinyLfu::victim(const Entry* spared, Measure measure) noexcept {
  settle();
  measure_ = measure;
  full_ = true;
  Entry* candidate = parts_[window].oldest_but(spared);
  Entry* victim = parts_[probation].oldest_but(spared);
  if (victim == nullptr) {
    victim = parts_[guarded].oldest_but(spared);
  }
  if (candidate == nullptr || victim == nullptr) {
    return candidate == nullptr ? victim : candidate;
  }
  if (parts_[window].amount(measure_) < std::max<std::size_t>(1, amount() / 100)) {
    return victim;
  }
  if (sketch_.estimate(candidate->home_hash()) <= sketch_.estimate(victim->home_hash())) {
    return candidate;
  }
  move(candidate, probation);
  return victim;
}

Entry* TinyLfu::any() noexcept {
  for (const Queue& part : parts_) {
    if (part.oldest() != nullptr) {
      return part.oldest();
    }
  }
  return nullptr;
}

void TinyLfu::move(Entry* entry, Part to) noexcept {
  part_of(entry).unlink(entry);
  entry->set_policy_bits((entry->policy_bits() & ~kPart) | to);
  parts_[to].push(entry);
}

void TinyLfu::use(Entry* entry) noexcept {
  sketch_.count(entry->home_hash(), period());
  Queue& part = part_of(entry);
  if (&part != &parts_[probation]) {
    part.touch(entry);
    return;
  }
  move(entry, guarded);
  const std::size_t main = parts_[probation].amount(measure_) + parts_[guarded].amount(measure_);
  while (parts_[guarded].size() > 1 && parts_[guarded].amount(measure_) > main / 5 * 4) {
    move(parts_[guarded].oldest(), probation);
  }
}

}  // namespace tiercache::l1
