#include "tiercache/l1/s3fifo.hpp"

namespace tiercache::l1 {

namespace {

// Entries of the main queue that one eviction may give another round. It is one or two as a rule;
// where thousands of neighbours were all hit, any of them may go as well as the next.
constexpr unsigned kMostRounds = 128;

}  // namespace

void S3Fifo::insert(Entry* entry) {
  const bool ghost = ghosts_.take(entry->home_hash());
  entry->set_policy_bits(ghost ? kInMain : 0);
  queue_of(entry).push(entry);
}

void S3Fifo::evicted(const Entry* entry) {
  if ((entry->policy_bits() & kInMain) == 0) {
    ghosts_.add(entry->home_hash(), ghost_length());
  }
}

Entry* S3Fifo::victim(const Entry* spared, Measure measure) noexcept {
  const std::size_t whole = small_.amount(measure) + main_.amount(measure);
  if (small_.amount(measure) * 10 < whole) {
    if (Entry* entry = main_victim(spared)) {
      return entry;
    }
  }
  while (Entry* entry = small_.oldest_but(spared)) {
    if ((entry->policy_bits() & kHits) < kPromoted) {
      return entry;
    }
    small_.unlink(entry);
    entry->set_policy_bits(entry->policy_bits() | kInMain);
    main_.push(entry);
    if (main_.amount(measure) * 10 > whole * 9) {
      return main_victim(spared);
    }
  }
  return main_victim(spared);
}

Entry* S3Fifo::main_victim(const Entry* spared) noexcept {
  for (unsigned round = 0; round < kMostRounds; ++round) {
    Entry* entry = main_.oldest_but(spared);
    if (entry == nullptr || (entry->policy_bits() & kHits) == 0) {
      return entry;
    }
    entry->set_policy_bits(entry->policy_bits() - 1);
    main_.touch(entry);
  }
  return main_.oldest_but(spared);
}

}  // namespace tiercache::l1
