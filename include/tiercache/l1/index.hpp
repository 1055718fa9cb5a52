// Finds entries by the hash of their key: all that is known of 2^48 possible hashes (the low 48
// bits; the high ones pick the shard).
//
// Layout: cache lines ("chunks") of seven slots and a counter. A slot is a pointer with 16 bits of
// the hash beside it, so a lookup reads one line and follows only pointers that are almost surely
// right. The low 32 bits of the hash, scaled to the number of chunks, name the home chunk; a slot
// that does not fit there goes to the next chunk with room, and each chunk counts how many passed
// it by, so a search knows when to stop and a removal leaves no tombstone. There is no wrap-around
// at the end, the table just has a tail.
//
// So slots are ordered by hash, nearly, and everything follows from that: a cursor is a hash and
// survives any resizing; and resizing moves home chunk by home chunk from the old table to the new
// one, two chunks an insertion, while each hash lives in exactly one of the two. Tables are made of
// pages that are allocated when first used and freed when the move has passed them, so growing
// never stalls and never needs the memory twice. Tables grow by a quarter: 55 to 86 % full once
// grown, some 9.14 / 0.75 bytes an entry.
//
// Several entries of one hash (variants of a key, mostly) share a slot, which then points to a
// bundle: an array of them, the most recently used first.
//
// Owned by a Store, same thread. Finds, adds and removes are O(1) plus O(variants of the key).
#pragma once

#include "tiercache/l1/entry.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tiercache::l1 {

class Index {
 public:
  static constexpr std::uint64_t kCursorEnd = std::uint64_t{1} << 32;

  Index() = default;
  ~Index();
  Index(Index&&) noexcept;
  Index& operator=(Index&&) noexcept;

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
  Entry* find(const Key& key, const Variant& variant, Use use) const noexcept;
  // Calls f(Entry&) on every entry under that hash, the most recent first. f must not change the
  // index.
  template <class F>
  void for_each(KeyHash hash, F&& f) const;
  std::size_t count(KeyHash hash) const noexcept;
  // The least recently used entry under that hash, or null.
  Entry* oldest(KeyHash hash) const noexcept;

  // REQUIRES: not there. May move up to two chunks of a resizing in progress.
  void add(KeyHash hash, Entry* entry);
  // REQUIRES: there. Never allocates and never moves other slots than its own bundle's.
  void remove(Entry* entry) noexcept;
  // `by` (same key) takes the place of `entry`, as the most recent of its bundle.
  void replace(Entry* entry, Entry* by) noexcept;
  // Takes all entries under that hash out, and calls f(Entry*) on each, which may free it.
  template <class F>
  std::size_t remove_all(KeyHash hash, F&& f);

  // Visits the entries of one home chunk whose hash is at the cursor or beyond, and advances the
  // cursor behind them; keep(Entry*) returns false to have the entry taken out (and may free it).
  // Each entry that is present from a cursor of 0 to kCursorEnd is visited exactly once, whatever
  // is added, removed or resized in between.
  template <class F>
  unsigned visit(std::uint64_t& cursor, F&& keep);

  // The bits of the hash that a slot keeps beside the home hash (for copying an index).
  KeyHash hash_of(const Entry* entry) const noexcept;

  // Starts to shrink a table that is much too large, or moves a resizing in progress on.
  void maintain();
  // Fits the table to its size at once: O(table).
  void compact();
  void clear() noexcept;

  void prefetch_slot(KeyHash hash) const noexcept;
  void prefetch_entries(KeyHash hash) const noexcept;
  void prefetch_chunk_of(std::uint64_t cursor) const noexcept;

 private:
  using Slot = std::uint64_t;  // 0 = free; pointer (bit 0: a bundle), 16 bits of hash above
  struct Bundle;
  struct Chunk;
  struct Table;
};

}  // namespace tiercache::l1
