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

constexpr unsigned kMaxPageShift = 6;  // 64 chunks: 4 KiB
constexpr std::size_t kFullSlots = 6;  // of the seven of a chunk, on average, before a table grows
constexpr std::size_t kSparseSlots = 2;  // fewer than that, and it shrinks to half
constexpr unsigned kMovesPerStep = 2;
constexpr std::size_t kSmallTable = 8;  // chunks; not worth shrinking
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
}

Entry* Index::find(const Key& key, const Variant& variant, Use use) const noexcept {
  const auto hash = static_cast<std::uint32_t>(key.hash);
  const Slot tag = tag_of(key.hash);
  const Table& table = table_of(hash);
  for (std::size_t i = table.home(hash);; ++i) {
    const Chunk* chunk = table.chunk(i);
    if (chunk == nullptr) {
      return nullptr;
    }
    for (unsigned found = chunk->with_tag(tag); found != 0; found &= found - 1) {
      const Slot slot = chunk->slots[static_cast<unsigned>(std::countr_zero(found))];
      if (slot == 0) {
        continue;
      }
      if (!is_bundle(slot)) [[likely]] {
        Entry* entry = entry_of(slot);
        if (entry->matches(key.db, key.bytes) && entry->matches(variant)) {
          return entry;
        }
      } else if (bundle_of(slot)->home_hash == hash) {
        return find_in(bundle_of(slot), key, variant, use);
      }
    }
    if (chunk->passed == 0) {
      return nullptr;
    }
  }
}

Entry* Index::find_in(Bundle* bundle, const Key& key, const Variant& variant, Use use) noexcept {
  const std::uint64_t tag = variant_tag(variant);
  Slot* items = bundle->items();
  for (std::uint32_t i = 0; i < bundle->count; ++i) {
    const Slot item = items[i];
    if ((item & kTagMask) != tag) {
      continue;
    }
    Entry* entry = entry_of(item);
    if (!entry->matches(key.db, key.bytes) || !entry->matches(variant)) {
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

std::size_t Index::add(KeyHash hash, Entry* entry) {
  maintain();
  const auto home_hash = static_cast<std::uint32_t>(hash);
  const Position found = locate(hash);
  ++size_;
  if (found.slot != nullptr) {
    add_to_bundle(*found.slot, entry);
    return bundle_of(*found.slot)->count;
  }
  if (old_.homes == 0 && slots_ >= kFullSlots * table_.homes) {
    start_resize(std::max(table_.homes + 1, table_.homes + table_.homes / 8));
    maintain();
  }
  const bool in_old = &table_of(home_hash) == &old_;
  place(in_old ? old_ : table_, home_hash, tag_of(hash) | reinterpret_cast<std::uintptr_t>(entry));
  ++slots_;
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
  const bool bundled = (entry->seq_flags_ & Entry::kBundled) != 0;
  const Table& table = table_of(hash);
  Position at{&table, table.home(hash), 0, nullptr};
  for (at.at = at.home;; ++at.at) {
    Chunk* chunk = table.chunk(at.at);
    TC_CHECK(chunk != nullptr);
    for (Slot& slot : chunk->slots) {
      if (!bundled) {
        if (entry_of(slot) == entry) {
          at.slot = &slot;
          return at;
        }
        continue;
      }
      if (!is_bundle(slot) || bundle_of(slot)->home_hash != hash) {
        continue;
      }
      const Slot* items = bundle_of(slot)->items();
      if (std::any_of(items, items + bundle_of(slot)->count,
                      [&](Slot item) { return entry_of(item) == entry; })) {
        at.slot = &slot;
        return at;
      }
    }
    TC_CHECK(chunk->passed != 0);
  }
}

void Index::place(Table& table, std::uint32_t hash, Slot slot) {
  for (std::size_t i = table.home(hash);; ++i) {
    Chunk& chunk = make_chunk(table, i);
    for (unsigned free = 0; free < kSlots; ++free) {
      if (chunk.slots[free] == 0) {
        chunk.slots[free] = slot;
        chunk.set_distance(free, i - table.home(hash));
        return;
      }
    }
    ++chunk.passed;
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
  Chunk* gap = table.chunk(at);
  while (gap->passed != 0) {
    // Some slot in a chunk behind has its home here or before.
    std::size_t from = at;
    Chunk* chunk = gap;
    unsigned i = kSlots;
    while (i == kSlots) {
      chunk = table.chunk(++from);
      TC_CHECK(chunk != nullptr);
      for (unsigned found = chunk->with_distance(std::min<std::size_t>(from - at, kFar));
           found != 0; found &= found - 1) {
        const auto candidate = static_cast<unsigned>(std::countr_zero(found));
        if (from - at <= kFar || distance(table, from, candidate) >= from - at) {
          i = candidate;
          break;
        }
      }
    }
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
      first->seq_flags_ |= Entry::kBundled;
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
  entry->seq_flags_ |= Entry::kBundled;
  ++bundle->count;
}

void Index::remove_from_bundle(Slot& slot, std::uint32_t i) noexcept {
  Bundle* bundle = bundle_of(slot);
  Slot* items = bundle->items();
  std::copy(items + i + 1, items + bundle->count, items + i);
  --bundle->count;
  if (bundle->count == 1) {
    Entry* last = entry_of(items[0]);
    last->seq_flags_ &= ~Entry::kBundled;
    slot = (slot & kTagMask) | reinterpret_cast<std::uintptr_t>(last);
    free_bundle(bundle);
  }
}

void Index::free_bundle(Bundle* bundle) noexcept {
  bytes_ -= malloc_usable_size(bundle);
  std::free(bundle);
}

std::uint64_t Index::visit_end(const Table& table, std::size_t home) const noexcept {
  const std::uint64_t end = table.first_hash(home + 1);
  // Behind this hash everything is still in the old table.
  return &table == &table_ && old_.homes != 0 ? std::min(end, old_.first_hash(moved_)) : end;
}

void Index::free_if_empty() noexcept {
  if (size_ == 0) {
    clear();
  }
}

void Index::shape_like(const Index& other) {
  if (other.table_.homes != 0) {
    start_resize(other.table_.homes);
  }
}

void Index::maintain() {
  if (old_.homes == 0) {
    if (table_.homes <= kSmallTable || slots_ >= kSparseSlots * table_.homes) {
      return;
    }
    start_resize(table_.homes / 2);
  }
  for (unsigned i = 0; i < kMovesPerStep && old_.homes != 0; ++i) {
    move_chunk();
  }
}

void Index::compact() {
  while (old_.homes != 0) {
    move_chunk();
  }
  const std::size_t wanted = slots_ / kFullSlots + 1;
  if (table_.homes > wanted) {
    start_resize(wanted);
    while (old_.homes != 0) {
      move_chunk();
    }
  }
}

void Index::start_resize(std::size_t homes) {
  TC_CHECK(old_.homes == 0 && homes < kCursorEnd);
  old_ = std::exchange(table_, {});
  moved_ = 0;
  table_.homes = homes;
  table_.page_shift = std::min(kMaxPageShift, static_cast<unsigned>(std::bit_width(homes)) - 1);
}

void Index::move_chunk() {
  // The entries hold the rest of their hash: the next steps will read those of the chunks ahead.
  if (const Chunk* ahead = old_.chunk(moved_ + 2 * kMovesPerStep)) {
    for (const Slot slot : ahead->slots) {
      __builtin_prefetch(bundle_of(slot));  // of either kind
    }
  }
  Position at{&old_, moved_, 0, nullptr};
  for (at.at = at.home;; ++at.at) {
    Chunk* chunk = old_.chunk(at.at);
    if (chunk == nullptr) {
      break;
    }
    for (unsigned i = 0; i < kSlots;) {
      const Slot slot = chunk->slots[i];
      if (slot == 0 || distance(old_, at.at, i) != at.at - moved_) {
        ++i;
        continue;
      }
      // Another one may come to stand here, so look again.
      at.slot = &chunk->slots[i];
      vacate(at);
      place(table_, home_hash_of(slot), slot);
      ++slots_;
    }
    if (chunk->passed == 0) {
      break;
    }
  }
  ++moved_;
  if (moved_ == old_.homes) {
    free_table(old_);
    moved_ = 0;
  } else if ((moved_ & ((std::size_t{1} << old_.page_shift) - 1)) == 0) {
    free_page(old_, (moved_ >> old_.page_shift) - 1);
  }
}

std::size_t Index::directory_bytes(const Table& table) noexcept {
  return malloc_usable_size(const_cast<Chunk**>(table.pages.data()));
}

Index::Chunk& Index::make_chunk(Table& table, std::size_t i) {
  const std::size_t page = i >> table.page_shift;
  if (page >= table.pages.size()) {
    bytes_ -= directory_bytes(table);
    // The directory of the whole table at once (8 bytes for 4 KiB), so that it never grows in small
    // steps; beyond it only a tail is left.
    const std::size_t homes_pages = ((table.homes - 1) >> table.page_shift) + 1;
    table.pages.resize(std::max(page + 1, homes_pages));
    bytes_ += directory_bytes(table);
  }
  if (table.pages[page] == nullptr) {
    const std::size_t size = sizeof(Chunk) << table.page_shift;
    void* memory = std::aligned_alloc(alignof(Chunk), size);
    TC_CHECK(memory != nullptr);
    std::memset(memory, 0, size);
    bytes_ += malloc_usable_size(memory);
    table.pages[page] = static_cast<Chunk*>(memory);
  }
  return *table.chunk(i);
}

void Index::free_page(Table& table, std::size_t page) noexcept {
  if (page < table.pages.size() && table.pages[page] != nullptr) {
    bytes_ -= malloc_usable_size(table.pages[page]);
    std::free(table.pages[page]);
    table.pages[page] = nullptr;
  }
}

void Index::free_table(Table& table) noexcept {
  for (std::size_t page = 0; page < table.pages.size(); ++page) {
    free_page(table, page);
  }
  bytes_ -= directory_bytes(table);
  table = {};
}

void Index::clear() noexcept {
  for (Table* table : {&table_, &old_}) {
    for (std::size_t page = 0; page < table->pages.size(); ++page) {
      for (std::size_t i = 0; table->pages[page] != nullptr && (i >> table->page_shift) == 0; ++i) {
        for (const Slot slot : table->pages[page][i].slots) {
          if (is_bundle(slot)) {
            free_bundle(bundle_of(slot));
          }
        }
      }
    }
    free_table(*table);
  }
  moved_ = slots_ = size_ = 0;
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
  for (const Slot slot : chunk->slots) {
    if ((slot & kTagMask) == tag_of(hash) && slot != 0) {
      const char* block = reinterpret_cast<const char*>(slot & Entry::kPointerMask & ~kIsBundle);
      __builtin_prefetch(block);
      __builtin_prefetch(block + 64);
    }
  }
}

void Index::prefetch_visit(std::uint64_t cursor) const noexcept {
  if (table_.homes == 0 || cursor >= kCursorEnd) {
    return;
  }
  const Table& table = table_of(static_cast<std::uint32_t>(cursor));
  const std::size_t home = table.home(static_cast<std::uint32_t>(cursor));
  if (const Chunk* chunk = table.chunk(home)) {
    for (const Slot slot : chunk->slots) {
      __builtin_prefetch(reinterpret_cast<const void*>(slot & Entry::kPointerMask & ~kIsBundle));
    }
  }
  if (home + 1 < table.homes) {
    __builtin_prefetch(table.chunk(home + 1));
  }
}

}  // namespace tiercache::l1
