// Finds entries by the hash of their key: all that is known of 2^48 possible hashes (the low 48
// bits; the high ones pick the shard).
//
// Layout: cache lines ("chunks") of seven slots and some counters. A slot is a pointer with 16 bits
// of the hash beside it, so a lookup reads one line and follows only pointers that are almost
// surely right. The low 32 bits of the hash, scaled to the number of chunks, name the home chunk; a
// slot that does not fit there goes to the next chunk with room. Each chunk counts how many passed
// it by, so a search knows when to stop, and each slot knows how far from home it is, so a removal
// fills its gap with one that had passed, without a look at the entries: neither tombstones nor
// decay. There is no wrap-around at the end, the table just has a tail.
//
// So slots are ordered by hash, nearly, and everything follows from that: a cursor is a hash and
// survives any resizing; and resizing moves home chunk by home chunk from the old table to the new
// one, two chunks an insertion, while each hash lives in exactly one of the two. Tables are made of
// pages that are allocated when first used and freed when the move has passed them, so growing
// never stalls and never needs the memory twice. Tables grow by an eighth; from 20 thousand entries
// on they are 79 to 89 % full, 12 bytes an entry with deadlines, smaller ones 63 to 71 %, 14.5.
//
// For each home chunk it is known when the first of its entries expires (Deadlines), so the dead
// are found without a look at the living.
//
// Several entries of one hash (variants of a key, mostly) share a slot, which then points to a
// bundle: an array of them, the most recently used first.
//
// Owned by a Store, same thread. Finds, adds and removes are O(1) plus O(variants of the key).
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/l1/deadlines.hpp"
#include "tiercache/l1/entry.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace tiercache::l1 {

class Index {
 public:
  static constexpr std::uint64_t kCursorEnd = std::uint64_t{1} << 32;

  Index() = default;
  Index(Index&& other) noexcept;
  Index& operator=(Index&& other) noexcept;
  ~Index();

  // Entries in it.
  std::size_t size() const noexcept {
    return size_;
  }
  // Allocated bytes of tables and bundles.
  std::size_t bytes() const noexcept {
    return bytes_;
  }

  // The entry of that key and variant, or null. With Use::touch it becomes the most recent of its
  // bundle.
  enum class Use : std::uint8_t { look, touch };
  Entry* find(const Key& key, const Variant& variant, Use use) const noexcept {
    return seek(key, variant, use).entry;
  }
  // The same, and whether any entry may be under that hash; if not, add() need not look for one.
  struct Sought {
    Entry* entry;
    bool hash_seen;
  };
  Sought seek(const Key& key, const Variant& variant, Use use) const noexcept;
  // Calls f(Entry&) on every entry under that hash, the most recent first. f must not change the
  // index.
  template <class F>
  void for_each(KeyHash hash, F&& f) const;
  // The least recently used entry under that hash, or null.
  Entry* oldest(KeyHash hash) const noexcept;

  // Returns how many entries are under that hash now. Moves a resizing in progress on.
  // REQUIRES: not there; with `hash_seen` false no other entry is under that hash.
  std::size_t add(KeyHash hash, Entry* entry, bool hash_seen = true);
  // Does not allocate. REQUIRES: there.
  void remove(Entry* entry) noexcept;
  // Takes all entries under that hash out and calls f(Entry*) on each, which may free it.
  template <class F>
  std::size_t remove_all(KeyHash hash, F&& f);

  // Visits the entries of one home chunk whose hash is at the cursor or beyond, and advances the
  // cursor behind them; keep(Entry*) returns false to have the entry taken out (and may free it).
  // Returns how many were visited. Each entry that is present from a cursor of 0 to kCursorEnd is
  // visited exactly once, whatever is added, removed or resized between two calls.
  template <class F>
  unsigned visit(std::uint64_t& cursor, F&& keep);

  // Calls f(Entry*) on the entries of that hash's home chunk; nothing is taken out.
  template <class F>
  void glance(std::uint32_t hash, F&& f);

  // Visits the entries of the home chunk that has waited longest for it since one of its entries
  // expired; keep as above. Returns how many were visited, or nothing if no chunk is due. An entry
  // is due at most a millisecond after its deadline, and until then it costs nobody a look.
  template <class F>
  std::optional<unsigned> visit_due(Time now, F&& keep);
  // False: it would visit none.
  bool is_due(Time now) const noexcept {
    const std::int64_t ticks = ticks_until(now);
    return ticks >= std::min(table_.deadlines.earliest(), old_.deadlines.earliest()) ||
           ticks >= kTicksBeforeRestart;
  }
  // An entry under that hash has got an earlier deadline. REQUIRES: there.
  void note_deadline(KeyHash hash, Time deadline) noexcept {
    Table& table = table_of(static_cast<std::uint32_t>(hash));
    table.deadlines.note(table.home(static_cast<std::uint32_t>(hash)), tick_of(deadline));
  }
  // Every entry is to be visited by visit_due. O(entries / 100).
  void all_due() noexcept {
    table_.deadlines.all_due();
    old_.deadlines.all_due();
  }

  // As much of the hash as the index knows (to copy an index). REQUIRES: there.
  KeyHash hash_of(const Entry* entry) const noexcept;

  // Moves a resizing in progress on, or starts to shrink a table that is much too large. Allocates.
  void maintain();
  // Takes the other's size of table. REQUIRES: empty.
  void shape_like(const Index& other);
  // Fits the table to its content at once: O(table).
  void compact();
  // Forgets the entries, frees the tables.
  void clear() noexcept;

  // Starts to load the home chunk; waits for nothing.
  void prefetch_slot(KeyHash hash) const noexcept;
  // Reads the home chunk and starts to load the entries that it has for that hash.
  void prefetch_entries(KeyHash hash) const noexcept;

 private:
  // 0 = free; else a pointer to an Entry, or to a Bundle with bit 0 set, and 16 bits of the hash
  // above.
  using Slot = std::uint64_t;
  static constexpr unsigned kSlots = 7;
  static constexpr unsigned kFar = 15;
  static constexpr std::uint64_t kIsBundle = 1;
  static constexpr std::uint64_t kTagMask = ~Entry::kPointerMask;

  struct alignas(64) Chunk {
    std::array<Slot, kSlots> slots;
    std::uint32_t passed;     // slots whose home is here or before and that went further on
    std::uint32_t distances;  // 4 bits a slot: chunks from home, kFar = that or more; 0 if free

    // Bit i: slot i may hold that tag (or be free, if the tag is 0). Without branches, because
    // where in its chunk a slot stands is not predictable.
    unsigned with_tag(Slot tag) const noexcept {
      unsigned found = 0;
      for (unsigned i = 0; i < kSlots; ++i) {
        found |= static_cast<unsigned>(((slots[i] ^ tag) & kTagMask) == 0) << i;
      }
      return found;
    }
    // Bit i: slot i is that pointer, its tag aside.
    unsigned with_pointer(Slot pointer) const noexcept {
      unsigned found = 0;
      for (unsigned i = 0; i < kSlots; ++i) {
        found |= static_cast<unsigned>(((slots[i] ^ pointer) & ~kTagMask) == 0) << i;
      }
      return found;
    }
    // with_distance(1), cheaper.
    unsigned displaced() const noexcept {
      std::uint32_t any = distances | distances >> 1;
      any = (any | any >> 2) & 0x1111111;
      // Gathers the lowest bit of each of the seven nibbles.
      return (any & 1) | (any >> 3 & 2) | (any >> 6 & 4) | (any >> 9 & 8) | (any >> 12 & 16) |
             (any >> 15 & 32) | (any >> 18 & 64);
    }
    unsigned free_slots() const noexcept {
      unsigned found = 0;
      for (unsigned i = 0; i < kSlots; ++i) {
        found |= static_cast<unsigned>(slots[i] == 0) << i;
      }
      return found;
    }
    // Bit i: slot i is at least so far from home. REQUIRES: 1 <= far <= kFar.
    unsigned with_distance(std::size_t far) const noexcept {
      unsigned found = 0;
      for (unsigned i = 0; i < kSlots; ++i) {
        found |= static_cast<unsigned>(distance(i) >= far) << i;
      }
      return found;
    }
    std::size_t distance(unsigned slot) const noexcept {
      return (distances >> (4 * slot)) & kFar;
    }
    void set_distance(unsigned slot, std::size_t distance) noexcept {
      const unsigned shift = 4 * slot;
      const auto value = static_cast<std::uint32_t>(distance < kFar ? distance : kFar);
      distances = (distances & ~(std::uint32_t{kFar} << shift)) | (value << shift);
    }
  };
  static_assert(sizeof(Chunk) == 64);

  struct Bundle {
    std::uint32_t home_hash;
    std::uint32_t count;
    std::uint32_t capacity;
    std::uint32_t unused;
    // Entries with 16 bits of a hash of their variant above, the most recent first.
    Slot* items() noexcept {
      return reinterpret_cast<Slot*>(this + 1);
    }
  };

  struct Table {
    std::vector<Chunk*> pages;
    Deadlines deadlines;      // a leaf for each home chunk
    std::size_t homes = 0;    // 0 = no table
    unsigned page_shift = 0;  // log2 of chunks in a page

    std::size_t home(std::uint32_t hash) const noexcept {
      return static_cast<std::size_t>((std::uint64_t{hash} * homes) >> 32);
    }
    // The lowest hash at home in chunk `i`, or kCursorEnd if there is none.
    std::uint64_t first_hash(std::size_t i) const noexcept {
      return ((std::uint64_t{i} << 32) + homes - 1) / homes;
    }
    // Null where nothing was ever put.
    Chunk* chunk(std::size_t i) const noexcept {
      const std::size_t page = i >> page_shift;
      if (page >= pages.size() || pages[page] == nullptr) [[unlikely]] {
        return nullptr;
      }
      return pages[page] + (i & ((std::size_t{1} << page_shift) - 1));
    }
  };

  struct Position {
    const Table* table = nullptr;
    std::size_t home = 0;
    std::size_t at = 0;
    Slot* slot = nullptr;  // in chunk `at`
  };

  static Slot tag_of(KeyHash hash) noexcept {
    return (hash << 16) & kTagMask;
  }
  static bool is_bundle(Slot slot) noexcept {
    return (slot & kIsBundle) != 0;
  }
  static Entry* entry_of(Slot slot) noexcept {
    return reinterpret_cast<Entry*>(slot & Entry::kPointerMask);
  }
  static Bundle* bundle_of(Slot slot) noexcept {
    return reinterpret_cast<Bundle*>(slot & Entry::kPointerMask & ~kIsBundle);
  }
  static std::uint32_t home_hash_of(Slot slot) noexcept {
    return is_bundle(slot) ? bundle_of(slot)->home_hash : entry_of(slot)->home_hash();
  }

  // The one table where that hash lives now.
  const Table& table_of(std::uint32_t hash) const noexcept {
    return old_.homes != 0 && old_.home(hash) >= moved_ ? old_ : table_;
  }
  Table& table_of(std::uint32_t hash) noexcept {
    return const_cast<Table&>(std::as_const(*this).table_of(hash));
  }
  // About a millisecond; a tick's number must fit 32 bits for longer than an entry may live.
  static constexpr unsigned kTickShift = 20;
  // When so many have passed, they are counted anew from here.
  static constexpr std::int64_t kTicksBeforeRestart = std::int64_t{1} << 31;
  std::int64_t ticks_until(Time now) const noexcept {
    return (now - ticks_from_).count() >> kTickShift;
  }
  // The first tick at which an entry with that deadline is dead for sure.
  Deadlines::Tick tick_of(Time deadline) const noexcept;
  Deadlines::Tick earliest_of(Slot slot) const noexcept;
  // The table and home chunk that are due, if any are.
  Table* due(Time now) noexcept;
  // Where [cursor, ...) of one home chunk of one table ends.
  std::uint64_t visit_end(const Table& table, std::size_t home) const noexcept;

  Position locate(KeyHash hash) const noexcept;
  Position locate(const Entry* entry) const noexcept;
  // The slot with the bundle that the entry is in, or null.
  static Slot* bundle_with(Chunk& chunk, const Entry* entry) noexcept;
  static Entry* find_in(Bundle* bundle, const Name& name, const Variant& variant, Use use) noexcept;
  void place(Table& table, std::uint32_t hash, Slot slot);
  // Frees the slot; one from a chunk behind may come to stand there.
  void vacate(const Position& position) noexcept;
  static void fill_gap(const Table& table, std::size_t at, unsigned slot) noexcept;
  // The first slot behind chunk `at` that had passed it. REQUIRES: there is one.
  static std::pair<std::size_t, unsigned> displaced_behind(const Table& table,
                                                           std::size_t at) noexcept;
  static std::size_t distance(const Table& table, std::size_t at, unsigned slot) noexcept {
    const Chunk* chunk = table.chunk(at);
    const std::size_t distance = chunk->distance(slot);
    return distance < kFar ? distance : at - table.home(home_hash_of(chunk->slots[slot]));
  }
  // Calls keep on the slot's entries. False if the slot was vacated.
  template <class F>
  unsigned visit_home(const Table& table, std::size_t home, std::uint64_t begin, std::uint64_t end,
                      F& keep);
  template <class F>
  bool visit_slot(const Position& position, unsigned& visited, F& keep);
  void add_to_bundle(Slot& slot, Entry* entry);
  // Takes the `i`th out of the slot's bundle. A bundle has at least two entries: with one left the
  // slot becomes a plain one.
  void remove_from_bundle(Slot& slot, std::uint32_t i) noexcept;
  void free_bundle(Bundle* bundle) noexcept;

  static std::size_t directory_bytes(const Table& table) noexcept;
  static std::size_t deadline_bytes(const Table& table) noexcept;
  Chunk& make_chunk(Table& table, std::size_t i);
  void free_page(Table& table, std::size_t page) noexcept;
  void free_table(Table& table) noexcept;
  void grow_if_full();
  void start_resize(std::size_t homes);
  void move_chunk();
  void swap(Index& other) noexcept;

  Table table_;
  Table old_;              // while a resizing is in progress: home chunks from moved_ on
  std::size_t moved_ = 0;  // home chunks of old_ that are in table_ already
  std::size_t slots_ = 0;  // in use
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
  Time ticks_from_{};
};

template <class F>
void Index::for_each(KeyHash hash, F&& f) const {
  const Position found = locate(hash);
  if (found.slot == nullptr) {
    return;
  }
  if (!is_bundle(*found.slot)) {
    f(*entry_of(*found.slot));
    return;
  }
  Bundle* bundle = bundle_of(*found.slot);
  for (std::uint32_t i = 0; i < bundle->count; ++i) {
    f(*entry_of(bundle->items()[i]));
  }
}

template <class F>
std::size_t Index::remove_all(KeyHash hash, F&& f) {
  const Position found = locate(hash);
  if (found.slot == nullptr) {
    return 0;
  }
  const Slot slot = *found.slot;
  vacate(found);
  if (!is_bundle(slot)) {
    --size_;
    f(entry_of(slot));
    return 1;
  }
  Bundle* bundle = bundle_of(slot);
  const std::size_t count = bundle->count;
  size_ -= count;
  for (std::size_t i = 0; i < count; ++i) {
    f(entry_of(bundle->items()[i]));
  }
  free_bundle(bundle);
  return count;
}

template <class F>
bool Index::visit_slot(const Position& position, unsigned& visited, F& keep) {
  Slot& slot = *position.slot;
  // From the back, because with one entry left a bundle turns into a plain slot.
  for (std::uint32_t i = is_bundle(slot) ? bundle_of(slot)->count : 1; i-- > 0;) {
    ++visited;
    if (keep(is_bundle(slot) ? entry_of(bundle_of(slot)->items()[i]) : entry_of(slot))) {
      continue;
    }
    --size_;
    if (!is_bundle(slot)) {
      vacate(position);
      return false;
    }
    remove_from_bundle(slot, i);
  }
  return true;
}

template <class F>
std::optional<unsigned> Index::visit_due(Time now, F&& keep) {
  Table* table = due(now);
  if (table == nullptr) {
    return std::nullopt;
  }
  const std::size_t home = table->deadlines.earliest_leaf();
  Deadlines::Tick earliest = Deadlines::kNone;
  auto note = [&](Entry* entry) {
    // Before it is asked: an entry that is not kept is no more.
    const Deadlines::Tick tick = tick_of(entry->expire_at());
    if (!keep(entry)) {
      return false;
    }
    earliest = std::min(earliest, tick);
    return true;
  };
  const unsigned visited = visit_home(*table, home, 0, kCursorEnd, note);
  table->deadlines.set(home, earliest);
  return visited;
}

template <class F>
unsigned Index::visit(std::uint64_t& cursor, F&& keep) {
  if (table_.homes == 0 || cursor >= kCursorEnd) {
    cursor = kCursorEnd;
    return 0;
  }
  const Table& table = table_of(static_cast<std::uint32_t>(cursor));
  const std::size_t home = table.home(static_cast<std::uint32_t>(cursor));
  const std::uint64_t end = visit_end(table, home);
  const unsigned visited = visit_home(table, home, cursor, end, keep);
  cursor = end;
  return visited;
}

template <class F>
void Index::glance(std::uint32_t hash, F&& f) {
  if (table_.homes == 0) {
    return;
  }
  const Table& table = table_of(hash);
  auto keep = [&](Entry* entry) {
    f(entry);
    return true;
  };
  visit_home(table, table.home(hash), 0, kCursorEnd, keep);
}

template <class F>
unsigned Index::visit_home(const Table& table, std::size_t home, std::uint64_t begin,
                           std::uint64_t end, F& keep) {
  Position at{&table, home, 0, nullptr};
  unsigned visited = 0;
  for (at.at = at.home;; ++at.at) {
    Chunk* chunk = table.chunk(at.at);
    if (chunk == nullptr) {
      break;
    }
    for (unsigned i = 0; i < kSlots;) {
      at.slot = &chunk->slots[i];
      // The distance tells most slots of other homes apart without a look at their entries.
      if (*at.slot == 0 || distance(table, at.at, i) != at.at - at.home) {
        ++i;
        continue;
      }
      const std::uint64_t hash = home_hash_of(*at.slot);
      if (hash < begin || hash >= end || visit_slot(at, visited, keep)) {
        ++i;
      }
      // Else another slot, not visited yet, may stand there now.
    }
    if (chunk->passed == 0) {
      break;
    }
  }
  return visited;
}

}  // namespace tiercache::l1
