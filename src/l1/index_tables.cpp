// Index: its tables, how they grow and shrink, and when their entries expire.
#include "tiercache/base/check.hpp"
#include "tiercache/l1/index.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <malloc.h>

namespace tiercache::l1 {

namespace {

constexpr unsigned kMaxPageShift = 6;    // 64 chunks: 4 KiB
constexpr std::size_t kSparseSlots = 2;  // fewer than that, and it shrinks to half
constexpr unsigned kMovesPerStep = 2;
constexpr std::size_t kSmallTable = 8;  // chunks; not worth shrinking

constexpr std::size_t kSmall = 4096;  // chunks
// Quarters of slots of a chunk's seven, on average, before a table of so many chunks grows. A small
// one stands in the CPU's caches, where one slot more costs an insertion a third of its time; a
// large one waits for memory anyhow, and there each slot is a byte or two an entry.
constexpr std::size_t full_quarters(std::size_t homes) noexcept {
  return homes <= kSmall ? 20 : 25;
}
std::size_t grown(std::size_t homes) noexcept {
  return std::max(homes + 1, homes + homes / 8);
}

}  // namespace

Deadlines::Tick Index::tick_of(Time deadline) const noexcept {
  if (deadline == kNever) {
    return Deadlines::kNone;
  }
  const std::int64_t ticks = ticks_until(deadline) + 1;
  return static_cast<Deadlines::Tick>(std::clamp<std::int64_t>(ticks, 0, Deadlines::kNone - 1));
}

Deadlines::Tick Index::earliest_of(Slot slot) const noexcept {
  if (!is_bundle(slot)) {
    return tick_of(entry_of(slot)->expire_at());
  }
  Bundle* bundle = bundle_of(slot);
  Deadlines::Tick earliest = Deadlines::kNone;
  for (std::uint32_t i = 0; i < bundle->count; ++i) {
    earliest = std::min(earliest, tick_of(entry_of(bundle->items()[i])->expire_at()));
  }
  return earliest;
}

Index::Table* Index::due(Time now) noexcept {
  std::int64_t ticks = ticks_until(now);
  if (ticks >= kTicksBeforeRestart) [[unlikely]] {
    ticks_from_ = now;
    ticks = 0;
    all_due();
  }
  for (Table* table : {&table_, &old_}) {
    const Deadlines::Tick earliest = table->deadlines.earliest();
    if (earliest != Deadlines::kNone && ticks >= earliest) {
      return table;
    }
  }
  return nullptr;
}

std::uint64_t Index::visit_end(const Table& table, std::size_t home) const noexcept {
  const std::uint64_t end = table.first_hash(home + 1);
  // Behind this hash everything is still in the old table.
  return &table == &table_ && old_.homes != 0 ? std::min(end, old_.first_hash(moved_)) : end;
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

void Index::grow_if_full() {
  if (old_.homes == 0 && 4 * slots_ >= full_quarters(table_.homes) * table_.homes) {
    start_resize(grown(table_.homes));
    maintain();
  }
}

void Index::compact() {
  while (old_.homes != 0) {
    move_chunk();
  }
  const std::size_t wanted = 4 * slots_ / full_quarters(table_.homes) + 1;
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
  table_.deadlines = Deadlines(homes);
  bytes_ += deadline_bytes(table_);
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
      const std::uint32_t hash = home_hash_of(slot);
      place(table_, hash, slot);
      ++slots_;
      table_.deadlines.note(table_.home(hash), earliest_of(slot));
    }
    if (chunk->passed == 0) {
      break;
    }
  }
  old_.deadlines.set(moved_, Deadlines::kNone);
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

std::size_t Index::deadline_bytes(const Table& table) noexcept {
  return malloc_usable_size(const_cast<void*>(table.deadlines.memory()));
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
  bytes_ -= directory_bytes(table) + deadline_bytes(table);
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

}  // namespace tiercache::l1
