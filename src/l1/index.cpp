#include "tiercache/l1/index.hpp"

#include "tiercache/base/check.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <functional>
#include <utility>

#include <malloc.h>

namespace tiercache::l1 {

namespace {

constexpr std::uint32_t kFirstBundle = 2;

std::uint64_t variant_tag(const Variant& variant) noexcept {
  const std::uint64_t id = std::uint64_t{variant.command} << 8 | variant.resp;
  const std::uint64_t args = std::hash<std::string_view>{}(variant.args);
  return ((args ^ id) * 0x9e3779b97f4a7c15U) & ~((std::uint64_t{1} << 48) - 1);
}

}  // namespace

Index::Index(Index&& other) noexcept {
  swap(other);
}

Index& Index::operator=(Index&& other) noexcept {
  if (this != &other) {
    clear();
    swap(other);
  }
  return *this;
}

Index::~Index() {
  clear();
}

void Index::swap(Index& other) noexcept {
  std::swap(table_, other.table_);
  std::swap(old_, other.old_);
  std::swap(moved_, other.moved_);
  std::swap(slots_, other.slots_);
  std::swap(size_, other.size_);
  std::swap(bytes_, other.bytes_);
  std::swap(ticks_from_, other.ticks_from_);
}

Index::Sought Index::seek(const Key& key, const Variant& variant, Use use) const noexcept {
  const auto hash = static_cast<std::uint32_t>(key.hash);
  const Slot tag = tag_of(key.hash);
  const Table& table = table_of(hash);
  const Name name(key, variant);
  bool seen = false;
  for (std::size_t i = table.home(hash);; ++i) {
    const Chunk* chunk = table.chunk(i);
    if (chunk == nullptr) {
      return {nullptr, seen};
    }
    for (unsigned found = chunk->with_tag(tag); found != 0; found &= found - 1) {
      const Slot slot = chunk->slots[static_cast<unsigned>(std::countr_zero(found))];
      if (slot == 0) {
        continue;
      }
      seen = true;
      if (!is_bundle(slot)) [[likely]] {
        Entry* entry = entry_of(slot);
        if (name.is_of(*entry)) {
          return {entry, true};
        }
      } else if (bundle_of(slot)->home_hash == hash) {
        return {find_in(bundle_of(slot), name, variant, use), true};
      }
    }
    if (chunk->passed == 0) {
      return {nullptr, seen};
    }
  }
}

Entry* Index::find_in(Bundle* bundle, const Name& name, const Variant& variant, Use use) noexcept {
  const std::uint64_t tag = variant_tag(variant);
  Slot* items = bundle->items();
  for (std::uint32_t i = 0; i < bundle->count; ++i) {
    const Slot item = items[i];
    if ((item & kTagMask) != tag) {
      continue;
    }
    Entry* entry = entry_of(item);
    if (!name.is_of(*entry)) {
      continue;
    }
    if (use == Use::touch) {
      std::copy_backward(items, items + i, items + i + 1);
      items[0] = item;
    }
    return entry;
  }
  return nullptr;
}

Entry* Index::oldest(KeyHash hash) const noexcept {
  const Position found = locate(hash);
  if (found.slot == nullptr) {
    return nullptr;
  }
  if (!is_bundle(*found.slot)) {
    return entry_of(*found.slot);
  }
  Bundle* bundle = bundle_of(*found.slot);
  return entry_of(bundle->items()[bundle->count - 1]);
}

std::size_t Index::add(KeyHash hash, Entry* entry, bool hash_seen) {
  maintain();
  const auto home_hash = static_cast<std::uint32_t>(hash);
  const Position found = hash_seen ? locate(hash) : Position{};
  ++size_;
  if (found.slot != nullptr) {
    add_to_bundle(*found.slot, entry);
    note_deadline(hash, entry->expire_at());
    return bundle_of(*found.slot)->count;
  }
  grow_if_full();
  place(table_of(home_hash), home_hash, tag_of(hash) | reinterpret_cast<std::uintptr_t>(entry));
  ++slots_;
  note_deadline(hash, entry->expire_at());
  return 1;
}

void Index::remove(Entry* entry) noexcept {
  const Position found = locate(entry);
  --size_;
  if (!is_bundle(*found.slot)) {
    vacate(found);
    return;
  }
  Slot* items = bundle_of(*found.slot)->items();
  std::uint32_t i = 0;
  while (entry_of(items[i]) != entry) {
    ++i;
  }
  remove_from_bundle(*found.slot, i);
}

KeyHash Index::hash_of(const Entry* entry) const noexcept {
  return ((*locate(entry).slot & kTagMask) >> 16) | entry->home_hash();
}

Index::Position Index::locate(KeyHash hash) const noexcept {
  const auto home_hash = static_cast<std::uint32_t>(hash);
  const Slot tag = tag_of(hash);
  const Table& table = table_of(home_hash);
  Position at{&table, table.home(home_hash), 0, nullptr};
  for (at.at = at.home;; ++at.at) {
    Chunk* chunk = table.chunk(at.at);
    if (chunk == nullptr) {
      return {};
    }
    for (unsigned found = chunk->with_tag(tag); found != 0; found &= found - 1) {
      Slot& slot = chunk->slots[static_cast<unsigned>(std::countr_zero(found))];
      if (slot != 0 && home_hash_of(slot) == home_hash) {
        at.slot = &slot;
        return at;
      }
    }
    if (chunk->passed == 0) {
      return {};
    }
  }
}

Index::Position Index::locate(const Entry* entry) const noexcept {
  const std::uint32_t hash = entry->home_hash();
  const bool bundled = (entry->expiry_ & Entry::kBundled) != 0;
  const auto pointer = static_cast<Slot>(reinterpret_cast<std::uintptr_t>(entry));
  const Table& table = table_of(hash);
  Position at{&table, table.home(hash), 0, nullptr};
  for (at.at = at.home;; ++at.at) {
    Chunk* chunk = table.chunk(at.at);
    TC_CHECK(chunk != nullptr);
    if (!bundled) [[likely]] {
      if (const unsigned found = chunk->with_pointer(pointer)) {
        at.slot = &chunk->slots[static_cast<unsigned>(std::countr_zero(found))];
        return at;
      }
    } else if (Slot* slot = bundle_with(*chunk, entry)) {
      at.slot = slot;
      return at;
    }
    TC_CHECK(chunk->passed != 0);
  }
}

Index::Slot* Index::bundle_with(Chunk& chunk, const Entry* entry) noexcept {
  for (Slot& slot : chunk.slots) {
    if (!is_bundle(slot) || bundle_of(slot)->home_hash != entry->home_hash()) {
      continue;
    }
    const Slot* items = bundle_of(slot)->items();
    if (std::any_of(items, items + bundle_of(slot)->count,
                    [&](Slot item) { return entry_of(item) == entry; })) {
      return &slot;
    }
  }
  return nullptr;
}

void Index::place(Table& table, std::uint32_t hash, Slot slot) {
  const std::size_t home = table.home(hash);
  for (std::size_t i = home;; ++i) {
    Chunk* chunk = table.chunk(i);
    if (chunk == nullptr) [[unlikely]] {
      chunk = &make_chunk(table, i);
    }
    if (const unsigned free = chunk->free_slots()) {
      const auto at = static_cast<unsigned>(std::countr_zero(free));
      chunk->slots[at] = slot;
      chunk->set_distance(at, i - home);
      return;
    }
    ++chunk->passed;
  }
}

void Index::vacate(const Position& position) noexcept {
  *position.slot = 0;
  for (std::size_t i = position.home; i < position.at; ++i) {
    --position.table->chunk(i)->passed;
  }
  --slots_;
  Chunk* chunk = position.table->chunk(position.at);
  const auto slot = static_cast<unsigned>(position.slot - chunk->slots.data());
  chunk->set_distance(slot, 0);
  fill_gap(*position.table, position.at, slot);
}

void Index::fill_gap(const Table& table, std::size_t at, unsigned slot) noexcept {
  for (Chunk* gap = table.chunk(at); gap->passed != 0;) {
    // Some slot in a chunk behind has its home here or before.
    const auto [from, i] = displaced_behind(table, at);
    Chunk* chunk = table.chunk(from);
    gap->slots[slot] = chunk->slots[i];
    gap->set_distance(slot, distance(table, from, i) - (from - at));
    chunk->slots[i] = 0;
    chunk->set_distance(i, 0);
    for (std::size_t passed = at; passed < from; ++passed) {
      --table.chunk(passed)->passed;
    }
    gap = chunk;
    at = from;
    slot = i;
  }
}

std::pair<std::size_t, unsigned> Index::displaced_behind(const Table& table,
                                                         std::size_t at) noexcept {
  for (std::size_t from = at + 1;; ++from) {
    const Chunk* chunk = table.chunk(from);
    TC_CHECK(chunk != nullptr);
    // Nearly always the very next.
    unsigned found = from == at + 1 ? chunk->displaced()
                                    : chunk->with_distance(std::min<std::size_t>(from - at, kFar));
    for (; found != 0; found &= found - 1) {
      const auto i = static_cast<unsigned>(std::countr_zero(found));
      if (from - at <= kFar || distance(table, from, i) >= from - at) {
        return {from, i};
      }
    }
  }
}

void Index::add_to_bundle(Slot& slot, Entry* entry) {
  Bundle* bundle = nullptr;
  if (is_bundle(slot) && bundle_of(slot)->count < bundle_of(slot)->capacity) {
    bundle = bundle_of(slot);
  } else {
    Bundle* full = is_bundle(slot) ? bundle_of(slot) : nullptr;
    const std::uint32_t capacity = full == nullptr ? kFirstBundle : full->capacity * 2;
    bundle = static_cast<Bundle*>(std::malloc(sizeof(Bundle) + capacity * sizeof(Slot)));
    TC_CHECK(bundle != nullptr && reinterpret_cast<std::uintptr_t>(bundle) >> 48 == 0);
    bytes_ += malloc_usable_size(bundle);
    *bundle = {static_cast<std::uint32_t>(home_hash_of(slot)), 1, capacity, 0};
    if (full == nullptr) {
      Entry* first = entry_of(slot);
      first->expiry_ |= Entry::kBundled;
      bundle->items()[0] = variant_tag(first->variant()) | reinterpret_cast<std::uintptr_t>(first);
    } else {
      bundle->count = full->count;
      std::copy_n(full->items(), full->count, bundle->items());
      free_bundle(full);
    }
    slot = (slot & kTagMask) | reinterpret_cast<std::uintptr_t>(bundle) | kIsBundle;
  }
  Slot* items = bundle->items();
  std::copy_backward(items, items + bundle->count, items + bundle->count + 1);
  items[0] = variant_tag(entry->variant()) | reinterpret_cast<std::uintptr_t>(entry);
  entry->expiry_ |= Entry::kBundled;
  ++bundle->count;
}

void Index::remove_from_bundle(Slot& slot, std::uint32_t i) noexcept {
  Bundle* bundle = bundle_of(slot);
  Slot* items = bundle->items();
  std::copy(items + i + 1, items + bundle->count, items + i);
  --bundle->count;
  if (bundle->count == 1) {
    Entry* last = entry_of(items[0]);
    last->expiry_ &= ~Entry::kBundled;
    slot = (slot & kTagMask) | reinterpret_cast<std::uintptr_t>(last);
    free_bundle(bundle);
  }
}

void Index::free_bundle(Bundle* bundle) noexcept {
  bytes_ -= malloc_usable_size(bundle);
  std::free(bundle);
}

void Index::prefetch_slot(KeyHash hash) const noexcept {
  const auto home_hash = static_cast<std::uint32_t>(hash);
  const Table& table = table_of(home_hash);
  __builtin_prefetch(table.chunk(table.home(home_hash)));
}

void Index::prefetch_entries(KeyHash hash) const noexcept {
  const auto home_hash = static_cast<std::uint32_t>(hash);
  const Table& table = table_of(home_hash);
  const Chunk* chunk = table.chunk(table.home(home_hash));
  if (chunk == nullptr) {
    return;
  }
  for (unsigned found = chunk->with_tag(tag_of(hash)); found != 0; found &= found - 1) {
    const Slot slot = chunk->slots[static_cast<unsigned>(std::countr_zero(found))];
    // An address and no pointer: a free slot's is 0, which a prefetch may name, but to which
    // nothing may be added as a pointer.
    const std::uintptr_t block = slot & Entry::kPointerMask & ~kIsBundle;
    __builtin_prefetch(reinterpret_cast<const void*>(block));
    __builtin_prefetch(reinterpret_cast<const void*>(block + 64));
    __builtin_prefetch(reinterpret_cast<const void*>(block + 111));
  }
}

}  // namespace tiercache::l1
