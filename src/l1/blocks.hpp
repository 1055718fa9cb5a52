// Memory of entries: makes, copies, and frees their blocks, and says what the allocator really
// gave. Stateless; free() may run on any thread.
#pragma once

#include "tiercache/l1/entry.hpp"

#include <cstddef>

namespace tiercache::l1 {

class Blocks {
 public:
  // May an entry like this exist at all (Entry's limits)?
  static bool possible(const Key& key, const Variant& variant, const Reply& reply) noexcept;
  // REQUIRES: possible.
  static std::size_t size(const Key& key, const Variant& variant, const Reply& reply) noexcept;

  // What the allocator will give for it, about.
  static std::size_t expected(std::size_t size) noexcept;
  static Entry* make(const Key& key, const Variant& variant, const Reply& reply, const Meta& meta);
  static Entry* copy(const Entry& entry);
  // Puts another reply of the same key and variant into the block, if it has just the right size
  // and nobody holds a pin.
  static bool overwrite(Entry& entry, const Reply& reply, const Meta& meta) noexcept;
  // Gives a reference back; the last one frees the block.
  static void release(Entry* entry) noexcept;

  static std::size_t allocated(const Entry& entry) noexcept;

 private:
  static void set_meta(Entry& entry, const Meta& meta) noexcept;
};

}  // namespace tiercache::l1
