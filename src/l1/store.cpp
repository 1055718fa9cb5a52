#include "tiercache/l1/store.hpp"

#include "blocks.hpp"

#include "tiercache/base/check.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::l1 {

namespace {

// Beyond this many pins of one block, further pins get a copy.
constexpr std::uint16_t kMaxReferences = 60000;

constexpr std::uint16_t kCommandEnd = 4096;

std::uint32_t high_half(std::uint64_t generation) noexcept {
  return static_cast<std::uint32_t>(generation >> 32);
}

}  // namespace

Store::Store(const Store& other)
    : limits_(other.limits_),
      generation_high_(other.generation_high_),
      sweep_hand_(other.sweep_hand_),
      evictions_(other.evictions_),
      expired_(other.expired_) {
  index_.shape_like(other.index_);
  // From the oldest on, so that the order of the whole and of each bundle comes out the same.
  other.for_each_lru([&](const Entry& entry) {
    Entry* copy = Blocks::copy(entry);
    index_.add(other.index_.hash_of(&entry), copy);
    lru_.insert(copy);
    entry_bytes_ += Blocks::allocated(*copy);
  });
}

Store& Store::operator=(const Store& other) {
  if (this != &other) {
    *this = Store(other);
  }
  return *this;
}

Store::Store(Store&& other) noexcept : Store(other.limits_) {
  *this = std::move(other);
}

Store& Store::operator=(Store&& other) noexcept {
  if (this != &other) {
    clear();
    std::swap(index_, other.index_);
    std::swap(lru_, other.lru_);
    std::swap(entry_bytes_, other.entry_bytes_);
    limits_ = other.limits_;
    generation_high_ = other.generation_high_;
    sweep_hand_ = other.sweep_hand_;
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
    index_.free_if_empty();
    return nullptr;
  }
  lru_.hit(entry);
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
  Entry* entry = index_.find(key, variant, Index::Use::touch);
  if (now >= meta.expire_at || meta.generation != generation ||
      !Blocks::possible(key, variant, reply) ||
      Blocks::size(key, variant, reply) > limits_.max_bytes) {
    if (entry != nullptr) {
      drop(entry);
      index_.free_if_empty();
    }
    return nullptr;
  }
  if (entry != nullptr && Blocks::overwrite(*entry, reply, meta)) {
    lru_.hit(entry);
  } else {
    if (entry != nullptr) {
      drop(entry);
    }
    // Some six residents at every insertion, so that the dead do not pile up and go before the
    // living have to.
    sweep(now, generation, 1);
    entry = Blocks::make(key, variant, reply, meta);
    entry_bytes_ += Blocks::allocated(*entry);
    lru_.insert(entry);
    if (index_.add(key.hash, entry) > std::max(1U, limits_.max_variants)) {
      evict(index_.oldest(key.hash), now, generation);
    }
  }
  return make_room(entry, now, generation) ? entry : nullptr;
}

bool Store::make_room(Entry* kept, Time now, std::uint64_t generation) {
  while (over_limits()) {
    Entry* victim = lru_.victim();
    if (victim != kept) {
      evict(victim, now, generation);
      index_.maintain();
      continue;
    }
    // Alone, and still too much: the index may be what is left of better days.
    index_.compact();
    if (over_limits()) {
      drop(kept);
      index_.free_if_empty();
      return false;
    }
  }
  return true;
}

bool Store::over_limits() const noexcept {
  return bytes() > limits_.max_bytes ||
         (limits_.max_entries != 0 && entries() > limits_.max_entries);
}

void Store::evict(Entry* entry, Time now, std::uint64_t generation) noexcept {
  ++(alive(*entry, now, generation) ? evictions_ : expired_);
  drop(entry);
}

std::size_t Store::erase(KeyHash hash) {
  const std::size_t erased = index_.remove_all(hash, [&](Entry* entry) { release(entry); });
  if (erased != 0) {
    index_.free_if_empty();
  }
  return erased;
}

void Store::erase(Entry* entry) {
  drop(entry);
  index_.free_if_empty();
}

void Store::clear() noexcept {
  while (Entry* entry = lru_.oldest()) {
    release(entry);
  }
  index_.clear();
}

std::size_t Store::sweep(Time now, std::uint64_t generation, unsigned look_at) {
  std::size_t freed = 0;
  for (unsigned looked = 0; looked < look_at;) {
    looked += 1 + index_.visit_chunk(sweep_hand_, [&](Entry* entry) {
      if (alive(*entry, now, generation)) {
        return true;
      }
      release(entry);
      ++freed;
      return false;
    });
    if (sweep_hand_ >= Index::kCursorEnd) {
      sweep_hand_ = 0;
    }
  }
  index_.prefetch_visit(sweep_hand_);
  expired_ += freed;
  if (freed != 0) {
    index_.free_if_empty();
  }
  return freed;
}

Pin Store::pin(Entry* entry) {
  if (entry->references_.load(std::memory_order_relaxed) >= kMaxReferences) {
    Entry* copy = Blocks::copy(*entry);
    return Pin(copy, copy->reply());
  }
  entry->references_.fetch_add(1, std::memory_order_relaxed);
  return Pin(entry, entry->reply());
}

void Store::adopt_generation(std::uint64_t generation) noexcept {
  if (high_half(generation) != generation_high_) [[unlikely]] {
    clear();
    generation_high_ = high_half(generation);
  }
}

void Store::release(Entry* entry) noexcept {
  lru_.remove(entry);
  entry_bytes_ -= Blocks::allocated(*entry);
  Blocks::release(entry);
}

void Store::drop(Entry* entry) noexcept {
  index_.remove(entry);
  release(entry);
}

}  // namespace tiercache::l1
