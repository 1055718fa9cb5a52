#include "admin_impl.hpp"

#include "tiercache/base/glob.hpp"

namespace tiercache::admin {

// A flush only empties: it says nothing about Redis. So a flight that is under way may still
// commit what it brings, for that is true.
bool FlushJob::step(Time now) {
  // Of one lock hold, and of one turn of the control loop, which has events to apply.
  constexpr unsigned kLookAt = 128;
  constexpr unsigned kHolds = 16;
  for (unsigned hold = 0; hold < kHolds && part < caches.size(); hold++) {
    coherence::Cache& cache = *caches[part].cache;
    const std::uint64_t generation = caches[part].generation;
    cache.with_shard(shard, [&](coherence::Shard& at) {
      l1::Store& store = at.store();
      store.erase_if(cursor, kLookAt, [&](const l1::Entry& entry) {
        const bool goes = everything ? store.generation_of(entry) < generation
                                     : entry.db() == db && glob_match(pattern, entry.key());
        erased += goes && now < entry.expire_at() ? 1 : 0;
        return goes;
      });
    });
    if (cursor.done()) {
      cursor = {};
      shard++;
    }
    if (shard == cache.shards()) {
      shard = 0;
      part++;
    }
  }
  return part == caches.size();
}

}  // namespace tiercache::admin
