#include "tiercache/invalidation/l1_walk.hpp"

namespace tiercache::invalidation {

bool L1Walk::step(Time now) {
  constexpr unsigned kLookAt = 128;  // of one lock hold
  constexpr unsigned kHolds = 16;
  for (unsigned hold = 0; hold < kHolds && part_ < parts_.size(); hold++) {
    const Part& part = parts_[part_];
    part.cache->with_shard(shard_, [&](coherence::Shard& at) {
      l1::Store& store = at.store();
      if (part.refuses && !begun_) {
        at.refuse_flights(part.refuses);
      }
      begun_ = true;
      store.erase_if(cursor_, kLookAt, [&](const l1::Entry& entry) {
        const bool goes = part.matches(store, entry);
        erased_ += goes && now < entry.expire_at() ? 1 : 0;
        return goes;
      });
    });
    if (cursor_.done()) {
      cursor_ = {};
      begun_ = false;
      shard_++;
    }
    if (shard_ == part.cache->shards()) {
      shard_ = 0;
      part_++;
    }
  }
  return part_ == parts_.size();
}

}  // namespace tiercache::invalidation
