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
  const auto address = reinterpret_cast<std::uintptr_t>(block);
  TC_CHECK(address >> 48 == 0 && address % 16 == 0);
  return block;
}

// Beyond this many references of one block, further pins get a copy.
constexpr unsigned kMostReferences = 60000;
constexpr unsigned kMostNarrowReferences = 15;

// Units of kDeadlineUnit; never: all ones, in as many bits as there are.
std::uint64_t units_of(Time deadline) noexcept {
  return deadline == kNever
             ? ~std::uint64_t{0}
             : static_cast<std::uint64_t>(deadline.time_since_epoch() / kDeadlineUnit);
}

}  // namespace

bool Blocks::possible(const Key& key, const Variant& variant, const Reply& reply) noexcept {
  constexpr std::size_t kMax =
      std::numeric_limits<std::uint32_t>::max() - 2 * (sizeof(Entry) + sizeof(Entry::Wide));
  return key.bytes.size() <= 0xffff && key.db <= 0xffff && reply.body().size() < kMax / 2 &&
         variant.args.size() < kMax / 2;
}

Blocks::Layout Blocks::layout(const Key& key, const Variant& variant, const Reply& reply,
                              const Meta& meta) noexcept {
  const bool narrow = Name::narrow(key, variant) && reply.body().size() <= Entry::kNarrowReply &&
                      (meta.expire_at == kNever || units_of(meta.expire_at) < Entry::kDeadlineMask);
  const std::size_t header = sizeof(Entry) + (narrow ? 0 : sizeof(Entry::Wide));
  return {header + key.bytes.size() + variant.args.size() + reply.body().size(), !narrow};
}

std::size_t Blocks::expected(std::size_t size) noexcept {
#ifdef TIERCACHE_JEMALLOC
  return nallocx(size, 0);
#else
  return size;
#endif
}

void Blocks::set_reply(Entry& entry, const Reply& reply, const Meta& meta) noexcept {
  const std::uint64_t units = units_of(meta.expire_at);
  entry.older_ = (entry.older_ << Entry::kGenerationBits >> Entry::kGenerationBits) |
                 meta.generation << Entry::kGenerationShift;
  entry.expiry_ = (entry.expiry_ & (Entry::kPolicyMask | Entry::kBundled)) |
                  (units & Entry::kDeadlineMask) | (meta.fenced ? Entry::kFenced : 0) |
                  (meta.negative ? Entry::kNegative : 0);
  entry.set_seq(meta.seq);
  std::uint32_t size = 0;
  if (entry.is_wide()) {
    Entry::Wide& wide = entry.wide();
    wide.reply_size = static_cast<std::uint32_t>(reply.body().size());
    wide.command =
        static_cast<std::uint16_t>((wide.command & ((1U << Entry::kFarShift) - 1)) |
                                   (units >> Entry::kDeadlineBits & 3) << Entry::kFarShift);
  } else {
    size = static_cast<std::uint32_t>(reply.body().size()) << Entry::kReplyShift;
  }
  // Nobody else has a reference.
  entry.shape_.store((entry.shape() & Entry::kNameMask) | size |
                         static_cast<std::uint32_t>(meta.ttl) << Entry::kTtlShift |
                         (reply.bulk() ? Entry::kBulk : 0) | Entry::kReference,
                     std::memory_order_relaxed);
  std::copy(reply.body().begin(), reply.body().end(),
            const_cast<char*>(entry.reply().body().data()));
}

Entry* Blocks::make(const Key& key, const Variant& variant, const Reply& reply, const Meta& meta,
                    const Layout& as) {
  Entry* entry = new (allocate(as.size)) Entry;
  const std::uint64_t hash = static_cast<std::uint32_t>(key.hash);
  entry->newer_ = hash << Entry::kLinkBits;
  entry->older_ = hash >> Entry::kHomeLowBits << Entry::kLinkBits;
  const auto key_size = as.wide ? Entry::kWide : static_cast<std::uint32_t>(key.bytes.size());
  const auto command = as.wide ? 0 : std::uint32_t{variant.command};
  entry->shape_.store(key_size << Entry::kKeyShift | command << Entry::kCommandShift,
                      std::memory_order_relaxed);
  if (as.wide) {
    Entry::Wide& wide = *new (entry + 1) Entry::Wide;
    wide.args_size = static_cast<std::uint32_t>(variant.args.size());
    wide.key_size = static_cast<std::uint16_t>(key.bytes.size());
    wide.db = static_cast<std::uint16_t>(key.db);
    wide.command = static_cast<std::uint16_t>(variant.command | std::uint32_t{variant.resp}
                                                                    << Entry::kRespShift);
  }
  char* const args =
      std::copy(key.bytes.begin(), key.bytes.end(), const_cast<char*>(entry->key().data()));
  std::copy(variant.args.begin(), variant.args.end(), args);
  set_reply(*entry, reply, meta);
  return entry;
}

Entry* Blocks::copy(const Entry& entry) {
  const Meta meta{entry.expire_at(), entry.generation_low(), entry.seq(), entry.fenced(),
                  entry.ttl(),       entry.negative()};
  const Key key{entry.home_hash(), entry.db(), entry.key()};
  return make(key, entry.variant(), entry.reply(), meta,
              layout(key, entry.variant(), entry.reply(), meta));
}

bool Blocks::overwrite(Entry& entry, const Reply& reply, const Meta& meta,
                       const Layout& as) noexcept {
  const std::size_t old_size = entry.block_size();
  const std::size_t size = old_size - entry.reply().body().size() + reply.body().size();
  // Acquire: the last reader's pin is gone before its bytes are.
  if (references(entry, std::memory_order_acquire) != 1 || (as.wide && !entry.is_wide()) ||
      !fits(&entry, old_size, size)) {
    return false;
  }
  set_reply(entry, reply, meta);
  return true;
}

unsigned Blocks::references(const Entry& entry, std::memory_order order) noexcept {
  return entry.is_wide() ? entry.wide().references.load(order)
                         : entry.shape_.load(order) >> Entry::kReferencesShift;
}

bool Blocks::reference(Entry& entry) noexcept {
  const unsigned most = entry.is_wide() ? kMostReferences : kMostNarrowReferences;
  if (references(entry, std::memory_order_relaxed) >= most) {
    return false;
  }
  if (entry.is_wide()) {
    entry.wide().references.fetch_add(1, std::memory_order_relaxed);
  } else {
    entry.shape_.fetch_add(Entry::kReference, std::memory_order_relaxed);
  }
  return true;
}

void Blocks::release(Entry* entry) noexcept {
  // A sole reference cannot become two meanwhile: only its holder could make the second.
  if (references(*entry, std::memory_order_acquire) != 1) {
    const unsigned before =
        entry->is_wide() ? entry->wide().references.fetch_sub(1, std::memory_order_acq_rel)
                         : entry->shape_.fetch_sub(Entry::kReference, std::memory_order_acq_rel) >>
                               Entry::kReferencesShift;
    if (before != 1) {
      return;
    }
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
