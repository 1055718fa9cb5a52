// Memory of entries: makes, copies, and frees their blocks, and says what the allocator really
// gave. Stateless; free() may run on any thread.
#pragma once

#include "tiercache/l1/entry.hpp"

#include <atomic>
#include <cstddef>

namespace tiercache::l1 {

class Blocks {
 public:
  // May an entry like this exist at all (Entry's limits)?
  static bool possible(const Key& key, const Variant& variant, const Reply& reply) noexcept;
  // How an entry like this is laid out. REQUIRES: possible.
  struct Layout {
    std::size_t size;
    bool wide;
  };
  static Layout layout(const Key& key, const Variant& variant, const Reply& reply,
                       const Meta& meta) noexcept;

  // What the allocator will give for a block of that size, about.
  static std::size_t expected(std::size_t size) noexcept;
  static Entry* make(const Key& key, const Variant& variant, const Reply& reply, const Meta& meta,
                     const Layout& as);
  static Entry* copy(const Entry& entry);
  // Puts another reply of the same key and variant into the block, if it has just the right size
  // and nobody holds a pin.
  static bool overwrite(Entry& entry, const Reply& reply, const Meta& meta,
                        const Layout& as) noexcept;
  // One more reference, of which Entry says who may make it. False if there are too many.
  static bool reference(Entry& entry) noexcept;
  // Gives a reference back; the last one frees the block.
  static void release(Entry* entry) noexcept;

  static std::size_t allocated(const Entry& entry) noexcept;

 private:
  static unsigned references(const Entry& entry, std::memory_order order) noexcept;
  // REQUIRES: nobody else has a reference, the block is large enough.
  static void set_reply(Entry& entry, const Reply& reply, const Meta& meta) noexcept;
};

}  // namespace tiercache::l1
