#include "tiercache/l1/store.hpp"

#include "blocks.hpp"

#include "tiercache/base/check.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::l1 {

namespace {

constexpr std::uint16_t kCommandEnd = 4096;

// What one put looks at to find the dead, and what it looks at besides before it evicts a living
// entry.
constexpr unsigned kLookAtPut = 8;
constexpr unsigned kLookToSpare = 64;

}  // namespace

Store::Store(const Store& other)
    : policy_(other.policy_.fresh()),
      limits_(other.limits_),
      generation_(other.generation_),
      evictions_(other.evictions_),
      expired_(other.expired_) {
  index_.shape_like(other.index_);
  // From the oldest on, so that with LRU the order of each bundle comes out the same too.
  other.for_each_lru([&](const Entry& entry) {
    Entry* copy = Blocks::copy(entry);
    index_.add(other.index_.hash_of(&entry), copy);
    policy_.insert_like(copy, entry);
    entry_bytes_ += Blocks::allocated(*copy);
  });
  policy_.remember_like(other.policy_);
}

Store& Store::operator=(const Store& other) {
  if (this != &other) {
    *this = Store(other);
  }
  return *this;
}

Store::Store(Store&& other) noexcept : policy_(other.policy_.fresh()), limits_(other.limits_) {
  *this = std::move(other);
}

Store& Store::operator=(Store&& other) noexcept {
  if (this != &other) {
    clear();
    std::swap(index_, other.index_);
    policy_ = std::exchange(other.policy_, other.policy_.fresh());
    std::swap(entry_bytes_, other.entry_bytes_);
    limits_ = other.limits_;
    generation_ = other.generation_;
    evictions_ = other.evictions_;
    expired_ = other.expired_;
  }
  return *this;
}

Store::~Store() {
  clear();
}

Entry* Store::find(const Key& key, const Variant& variant, Time now, std::uint64_t generation) {
  adopt_generation(generation);
  Entry* entry = index_.find(key, variant, Index::Use::touch);
  if (entry == nullptr) {
    return nullptr;
  }
  if (!alive(*entry, now, generation)) {
    ++expired_;
    drop(entry);
    free_if_empty();
    return nullptr;
  }
  policy_.hit(entry);
  return entry;
}

Entry* Store::peek(const Key& key, const Variant& variant, Time now, std::uint64_t generation) {
  Entry* entry = index_.find(key, variant, Index::Use::look);
  return entry != nullptr && alive(*entry, now, generation) ? entry : nullptr;
}

const Entry* Store::peek(const Key& key, const Variant& variant, Time now,
                         std::uint64_t generation) const {
  const Entry* entry = index_.find(key, variant, Index::Use::look);
  return entry != nullptr && alive(*entry, now, generation) ? entry : nullptr;
}

Entry* Store::put(const Key& key, const Variant& variant, std::string_view frame, const Meta& meta,
                  Time now, std::uint64_t generation) {
  const Reply reply = Reply::of(frame);
  TC_CHECK(meta.seq <= kMaxSeq && variant.command < kCommandEnd && variant.resp <= 3);
  adopt_generation(generation);
  // Who would have to go: what that takes is loaded while the key is looked for.
  if (const Entry* next = policy_.any()) {
    index_.prefetch_slot(next->home_hash());
    __builtin_prefetch(next->prev(), 1);
  }
  const Index::Sought sought = index_.seek(key, variant, Index::Use::touch);
  Entry* entry = sought.entry;
  const Blocks::Layout as = Blocks::layout(key, variant, reply, meta);
  // A generation that is over here already is that of a caller who was on its way meanwhile.
  if (now >= kept_deadline(meta.expire_at) || meta.generation != generation ||
      generation != generation_ || !Blocks::possible(key, variant, reply) ||
      as.size > limits_.max_bytes) {
    if (entry != nullptr) {
      drop(entry);
      free_if_empty();
    }
    return nullptr;
  }
  const std::size_t old_size = entry == nullptr ? 0 : entry->block_size();
  if (entry != nullptr && Blocks::overwrite(*entry, reply, meta, as)) {
    policy_.resized(entry, old_size, entry->block_size());
    policy_.hit(entry);
    index_.note_deadline(key.hash, entry->expire_at());
  } else {
    if (entry != nullptr) {
      drop(entry);
    }
    if (index_.is_due(now)) {
      sweep(now, generation, kLookAtPut);
    }
    // First, so that the block that goes may be the one that comes.
    if (!make_room({Blocks::expected(as.size), 1}, nullptr, now, generation)) {
      return nullptr;
    }
    entry = Blocks::make(key, variant, reply, meta, as);
    entry_bytes_ += Blocks::allocated(*entry);
    policy_.insert(entry);
    if (index_.add(key.hash, entry, sought.hash_seen) > std::max(1U, limits_.max_variants)) {
      Entry* oldest = index_.oldest(key.hash);
      count_out(oldest, now, generation);
      drop(oldest);
    }
  }
  // The index and the policy may have grown, or the limits have shrunk.
  if (make_room({}, entry, now, generation)) {
    return entry;
  }
  drop(entry);
  free_if_empty();
  return nullptr;
}

bool Store::make_room(Need need, const Entry* kept, Time now, std::uint64_t generation) {
  while (over_limits(need)) {
    if (index_.is_due(now) && sweep(now, generation, kLookToSpare) != 0) {
      continue;
    }
    Entry* victim = policy_.victim(kept, too_many(need) ? Measure::entries : Measure::bytes);
    if (victim == nullptr) {
      // All that is left is the index and what the policy remembers of better days.
      policy_.forget();
      index_.compact();
      free_if_empty();
      return !over_limits(need);
    }
    policy_.evicted(victim);
    count_out(victim, now, generation);
    drop(victim);
    index_.maintain();
  }
  return true;
}

void Store::count_out(const Entry* entry, Time now, std::uint64_t generation) noexcept {
  if (!alive(*entry, now, generation)) {
    ++expired_;
    return;
  }
  ++evictions_;
  if (Accounts* accounts = policy_.accounts()) {
    accounts->count_eviction(entry);
  }
}

std::size_t Store::erase(KeyHash hash) {
  const std::size_t erased = index_.remove_all(hash, [&](Entry* entry) { release(entry); });
  if (erased != 0) {
    free_if_empty();
  }
  return erased;
}

void Store::erase(Entry* entry) {
  drop(entry);
  free_if_empty();
}

void Store::clear() noexcept {
  while (Entry* entry = policy_.any()) {
    release(entry);
  }
  index_.clear();
  policy_.forget();
}

std::size_t Store::sweep(Time now, std::uint64_t generation, unsigned look_at) {
  std::size_t freed = 0;
  for (unsigned looked = 0; looked < look_at;) {
    const auto visited = index_.visit_due(now, [&](Entry* entry) {
      if (alive(*entry, now, generation)) {
        return true;
      }
      release(entry);
      ++freed;
      return false;
    });
    if (!visited) {
      break;
    }
    looked += 1 + *visited;
  }
  expired_ += freed;
  if (freed != 0) {
    free_if_empty();
  }
  return freed;
}

Pin Store::pin(Entry* entry) {
  if (!Blocks::reference(*entry)) {
    entry = Blocks::copy(*entry);
  }
  return Pin(entry, entry->reply());
}

void Store::change_generation(std::uint64_t generation) noexcept {
  if (generation < generation_) {
    return;  // a caller that was on its way when it changed
  }
  if (generation >> Entry::kGenerationBits != generation_ >> Entry::kGenerationBits) {
    clear();
  } else {
    index_.all_due();
  }
  generation_ = generation;
}

void Store::free_if_empty() noexcept {
  if (entries() == 0) {
    index_.clear();
    policy_.forget();
  }
}

void Store::release(Entry* entry) noexcept {
  policy_.remove(entry);
  entry_bytes_ -= Blocks::allocated(*entry);
  Blocks::release(entry);
}

void Store::drop(Entry* entry) noexcept {
  index_.remove(entry);
  release(entry);
}

}  // namespace tiercache::l1
