#include "blocks.hpp"

#include "tiercache/base/check.hpp"

#include <cstdlib>
#include <limits>
#include <new>

#ifdef TIERCACHE_JEMALLOC
#include <jemalloc/jemalloc.h>
#else
#include <malloc.h>
#endif

namespace tiercache::l1 {

namespace {

// jemalloc's size classes are a pure function of the size: no lookup of the block's own metadata,
// which for a block that has left the caches costs a miss.
#ifdef TIERCACHE_JEMALLOC
std::size_t real_size(const void*, std::size_t size) noexcept {
  return nallocx(size, 0);
}
bool fits(const void*, std::size_t old_size, std::size_t size) noexcept {
  return nallocx(old_size, 0) == nallocx(size, 0);
}
void free_sized(void* block, std::size_t size) noexcept {
  sdallocx(block, size, 0);
}
#else
std::size_t real_size(const void* block, std::size_t) noexcept {
  return malloc_usable_size(const_cast<void*>(block));
}
bool fits(const void* block, std::size_t, std::size_t size) noexcept {
  const std::size_t real = real_size(block, size);
  return size <= real && real - size < 16;
}
void free_sized(void* block, std::size_t) noexcept {
  std::free(block);
}
#endif

void* allocate(std::size_t size) {
  void* block = std::malloc(size);
  TC_CHECK(block != nullptr);
  TC_CHECK(reinterpret_cast<std::uintptr_t>(block) >> 48 == 0);
  return block;
}

}  // namespace

bool Blocks::possible(const Key& key, const Variant& variant, const Reply& reply) noexcept {
  constexpr std::size_t kMax = std::numeric_limits<std::uint32_t>::max() - 2 * sizeof(Entry);
  return key.bytes.size() <= 0xffff && key.db <= 0xffff && reply.body().size() < kMax / 2 &&
         variant.args.size() < kMax / 2;
}

std::size_t Blocks::size(const Key& key, const Variant& variant, const Reply& reply) noexcept {
  const std::size_t args = variant.args.empty() ? 0 : Entry::kArgsPrefix + variant.args.size();
  return sizeof(Entry) + key.bytes.size() + args + reply.body().size();
}

std::size_t Blocks::expected(std::size_t size) noexcept {
#ifdef TIERCACHE_JEMALLOC
  return nallocx(size, 0);
#else
  return size;
#endif
}

void Blocks::set_meta(Entry& entry, const Meta& meta) noexcept {
  constexpr std::uint64_t kKept =
      (std::uint64_t{3} << Entry::kRespShift) | Entry::kHasArgs | Entry::kBundled;
  entry.expire_at_ = meta.expire_at;
  entry.generation_low_ = static_cast<std::uint32_t>(meta.generation);
  entry.seq_flags_ = (meta.seq << Entry::kSeqShift) | (entry.seq_flags_ & kKept) |
                     (meta.fenced ? Entry::kFenced : 0) | (meta.negative ? Entry::kNegative : 0) |
                     (static_cast<std::uint64_t>(meta.ttl) << Entry::kTtlShift);
}

Entry* Blocks::make(const Key& key, const Variant& variant, const Reply& reply, const Meta& meta) {
  Entry* entry = new (allocate(size(key, variant, reply))) Entry;
  entry->prev_db_ = std::uint64_t{key.db} << Entry::kPointerBits;
  entry->next_command_ =
      std::uint64_t{variant.command} << Entry::kCommandShift | (reply.bulk() ? Entry::kBulk : 0);
  entry->home_hash_ = static_cast<std::uint32_t>(key.hash);
  entry->key_size_ = static_cast<std::uint16_t>(key.bytes.size());
  entry->reply_size_ = static_cast<std::uint32_t>(reply.body().size());
  entry->seq_flags_ = (std::uint64_t{variant.resp} << Entry::kRespShift) |
                      (variant.args.empty() ? 0 : Entry::kHasArgs);
  set_meta(*entry, meta);
  char* out = entry->payload();
  out = std::copy(key.bytes.begin(), key.bytes.end(), out);
  if (!variant.args.empty()) {
    const auto args_size = static_cast<std::uint32_t>(variant.args.size());
    std::memcpy(out, &args_size, sizeof args_size);
    out = std::copy(variant.args.begin(), variant.args.end(), out + sizeof args_size);
  }
  std::copy(reply.body().begin(), reply.body().end(), out);
  return entry;
}

Entry* Blocks::copy(const Entry& entry) {
  const Meta meta{entry.expire_at(), entry.generation_low(), entry.seq(), entry.fenced(),
                  entry.ttl(),       entry.negative()};
  return make({entry.home_hash(), entry.db(), entry.key()}, entry.variant(), entry.reply(), meta);
}

bool Blocks::overwrite(Entry& entry, const Reply& reply, const Meta& meta) noexcept {
  const std::size_t size = sizeof(Entry) + entry.reply_offset() + reply.body().size();
  // Acquire: the last reader's pin is gone before its bytes are.
  if (entry.references_.load(std::memory_order_acquire) != 1 ||
      !fits(&entry, entry.block_size(), size)) {
    return false;
  }
  entry.reply_size_ = static_cast<std::uint32_t>(reply.body().size());
  entry.next_command_ = (entry.next_command_ & ~Entry::kBulk) | (reply.bulk() ? Entry::kBulk : 0);
  set_meta(entry, meta);
  std::copy(reply.body().begin(), reply.body().end(), entry.payload() + entry.reply_offset());
  return true;
}

void Blocks::release(Entry* entry) noexcept {
  // A sole reference cannot become two meanwhile: only its holder could make the second.
  if (entry->references_.load(std::memory_order_acquire) != 1 &&
      entry->references_.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  free_sized(entry, entry->block_size());
}

std::size_t Blocks::allocated(const Entry& entry) noexcept {
  return real_size(&entry, entry.block_size());
}

void Pin::reset() noexcept {
  if (entry_ != nullptr) {
    Blocks::release(std::exchange(entry_, nullptr));
    reply_ = {};
  }
}

}  // namespace tiercache::l1
