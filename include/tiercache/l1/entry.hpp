// One cached reply: a header and, in the same block, the key, the arguments and the reply.
//
// An entry belongs to its Store and is read and changed only under the lock of the store's shard.
// Its bytes (key, arguments, reply) never change while it is pinned, so a Pin may be read, and
// released, on any thread.
//
// The header is packed by hand, because at a 16-byte key and a 64-byte value it decides which size
// class of the allocator a block falls into (80 + 32 = 112). It has room for what nearly all
// entries are: in db 0, without arguments, alike in every RESP version, a key of at most 126 bytes
// and a reply of at most 1023, a command below 256, a deadline within 139 years of the clock's
// start. All others are *wide*: 16 bytes more behind the header say what does not fit there.
//
// Limits, all of which only make an entry uncacheable: a key is shorter than 64 KiB, a db number
// below 65536, a reply and its arguments below 4 GiB together. Ids of commands are below 4096.
#pragma once

#include "tiercache/base/hash.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/l1/reply.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

namespace tiercache::l1 {

struct Key {
  KeyHash hash;
  std::uint32_t db;
  std::string_view bytes;
};

// Which reply under the key: the command (an id of the command table, below 4096), the RESP version
// where the reply depends on it (2 or 3; 0 = the same in both), the exact arguments after the key
// (encoded by the caller to one byte string).
struct Variant {
  std::uint16_t command = 0;
  std::uint8_t resp = 0;
  std::string_view args;

  friend bool operator==(const Variant&, const Variant&) = default;
};

enum class Ttl : std::uint8_t {
  none,     // Redis has no TTL on the key
  exact,    // expire_at is Redis's own deadline
  capped,   // expire_at is earlier than Redis's, or Redis's is not known exactly
  missing,  // a negative entry: Redis has no such key
};

struct Meta {
  Time expire_at = kNever;  // kept in units of kDeadlineUnit, rounded down
  std::uint64_t generation = 0;
  std::uint64_t seq = 0;  // a ping number, at most kMaxSeq
  bool fenced = false;
  Ttl ttl = Ttl::none;
  bool negative = false;
};

// Five years of PINGs, a hundred thousand a second.
inline constexpr std::uint64_t kMaxSeq = (std::uint64_t{1} << 44) - 1;

// A 16th of a millisecond: whole milliseconds, which is what Redis counts in, are kept exactly.
inline constexpr Duration kDeadlineUnit{62500};
// The deadline that an entry put with this one will have. REQUIRES: not before the clock's start.
constexpr Time kept_deadline(Time deadline) noexcept {
  return deadline == kNever ? kNever : deadline - deadline.time_since_epoch() % kDeadlineUnit;
}

class Entry {
 public:
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  std::string_view key() const noexcept {
    const Sizes sizes = this->sizes();
    return {bytes() + sizes.header, sizes.key};
  }
  std::string_view args() const noexcept {
    const Sizes sizes = this->sizes();
    return {bytes() + sizes.header + sizes.key, sizes.args};
  }
  Reply reply() const noexcept {
    const Sizes sizes = this->sizes();
    return {{bytes() + sizes.header + sizes.key + sizes.args, sizes.reply},
            (shape() & kBulk) != 0 ? Reply::Framing::bulk : Reply::Framing::as_is};
  }
  std::uint32_t db() const noexcept {
    return is_wide() ? wide().db : 0;
  }
  Variant variant() const noexcept {
    return {command(), resp(), args()};
  }
  std::uint16_t command() const noexcept {
    return static_cast<std::uint16_t>(is_wide() ? wide().command & kCommandMask
                                                : shape() >> kCommandShift & kNarrowCommands);
  }
  std::uint8_t resp() const noexcept {
    return is_wide() ? static_cast<std::uint8_t>(wide().command >> kRespShift & 3) : 0;
  }

  Time expire_at() const noexcept {
    const std::uint64_t units = expiry_ & kDeadlineMask;
    if (units == kDeadlineMask || is_wide()) [[unlikely]] {
      return far_deadline();
    }
    return Time(static_cast<std::int64_t>(units) * kDeadlineUnit);
  }
  // The low bits; the store knows the high ones, see Store::generation_of.
  static constexpr unsigned kGenerationBits = 8;
  std::uint64_t generation_low() const noexcept {
    return older_ >> kGenerationShift;
  }
  std::uint64_t seq() const noexcept {
    return (expiry_ & kSeqHighMask) >> kSeqHighShift << 32 | seq_low_;
  }
  bool fenced() const noexcept {
    return (expiry_ & kFenced) != 0;
  }
  Ttl ttl() const noexcept {
    return static_cast<Ttl>(shape() >> kTtlShift & 3);
  }
  bool negative() const noexcept {
    return (expiry_ & kNegative) != 0;
  }
  // Marks the entry as fenced by ping `seq`. REQUIRES: seq <= kMaxSeq.
  void set_fence(std::uint64_t seq) noexcept {
    set_seq(seq);
    expiry_ |= kFenced;
  }
  void clear_fence() noexcept {
    expiry_ &= ~kFenced;
  }

  // The low 32 bits of the key's hash.
  std::uint32_t home_hash() const noexcept {
    return static_cast<std::uint32_t>(newer_ >> kLinkBits | (older_ >> kLinkBits & kHomeHighMask)
                                                                << kHomeLowBits);
  }
  bool matches(std::uint32_t db_number, std::string_view key_bytes) const noexcept {
    return key() == key_bytes && db() == db_number;
  }
  bool matches(const Variant& wanted) const noexcept {
    return command() == wanted.command && resp() == wanted.resp && args() == wanted.args;
  }

 private:
  friend class Blocks;
  friend class Chain;
  friend class HitNotes;
  friend class Index;
  friend class Name;
  friend class Pin;
  friend class Queue;
  friend class S3Fifo;
  friend class Store;
  friend class TinyLfu;

  // Blocks are aligned to 16 bytes, so a link of 44 bits reaches 48 bits of addresses.
  static constexpr unsigned kPointerBits = 48;
  static constexpr std::uint64_t kPointerMask = (std::uint64_t{1} << kPointerBits) - 1;
  static constexpr unsigned kAlignBits = 4;
  static constexpr unsigned kLinkBits = kPointerBits - kAlignBits;
  static constexpr std::uint64_t kLinkMask = (std::uint64_t{1} << kLinkBits) - 1;

  static constexpr unsigned kHomeLowBits = 64 - kLinkBits;
  static constexpr std::uint64_t kHomeHighMask = (1U << (32 - kHomeLowBits)) - 1;
  static constexpr unsigned kGenerationShift = 64 - kGenerationBits;

  static constexpr unsigned kDeadlineBits = 46;
  static constexpr std::uint64_t kDeadlineMask = (std::uint64_t{1} << kDeadlineBits) - 1;
  static constexpr unsigned kSeqHighShift = kDeadlineBits;
  static constexpr std::uint64_t kSeqHighMask = kMaxSeq >> 32 << kSeqHighShift;
  static constexpr unsigned kPolicyShift = 58;
  static constexpr std::uint64_t kPolicyMask = std::uint64_t{7} << kPolicyShift;
  static constexpr std::uint64_t kPolicyPending = std::uint64_t{4} << kPolicyShift;  // HitNotes
  static constexpr std::uint64_t kBundled = std::uint64_t{1} << 61;  // the index: in a bundle
  static constexpr std::uint64_t kFenced = std::uint64_t{1} << 62;
  static constexpr std::uint64_t kNegative = std::uint64_t{1} << 63;

  static constexpr unsigned kCommandShift = 0;
  static constexpr std::uint32_t kNarrowCommands = 0xff;  // a mask, and the last of them
  static constexpr unsigned kKeyShift = 8;
  static constexpr std::uint32_t kWide = 0x7f;  // in place of the key's size
  static constexpr unsigned kReplyShift = 15;
  static constexpr std::uint32_t kNarrowReply = 0x3ff;  // a mask, and the longest
  static constexpr unsigned kTtlShift = 25;
  static constexpr std::uint32_t kBulk = std::uint32_t{1} << 27;
  static constexpr unsigned kReferencesShift = 28;
  static constexpr std::uint32_t kReference = std::uint32_t{1} << kReferencesShift;
  // What of the shape tells which entry it is.
  static constexpr std::uint32_t kNameMask = kWide << kKeyShift | kNarrowCommands << kCommandShift;

  // Behind the header of a wide entry; the same fields of the header hold nothing then.
  struct Wide {
    std::uint32_t reply_size = 0;  // as stored
    std::uint32_t args_size = 0;
    std::uint16_t key_size = 0;
    std::uint16_t db = 0;
    std::uint16_t command = 0;  // 12 bits: command; 2: RESP version; 2: the deadline's highest
    std::atomic<std::uint16_t> references{1};
  };
  static_assert(sizeof(Wide) == 16);
  static constexpr std::uint16_t kCommandMask = 0xfff;
  static constexpr unsigned kRespShift = 12;
  static constexpr unsigned kFarShift = 14;

  Entry() = default;
  ~Entry() = default;

  std::uint32_t shape() const noexcept {
    return shape_.load(std::memory_order_relaxed);
  }
  bool is_wide() const noexcept {
    return (shape() >> kKeyShift & kWide) == kWide;
  }
  const char* bytes() const noexcept {
    return reinterpret_cast<const char*>(this);
  }
  const char* behind_header() const noexcept {
    return bytes() + sizeof(Entry);
  }
  // REQUIRES: is_wide().
  const Wide& wide() const noexcept {
    return *reinterpret_cast<const Wide*>(behind_header());
  }
  Wide& wide() noexcept {
    return const_cast<Wide&>(std::as_const(*this).wide());
  }
  // The parts of the block, in their order.
  struct Sizes {
    std::size_t header;
    std::size_t key;
    std::size_t args;
    std::size_t reply;
  };
  // Reads the shape once: the compiler must not merge reads of what is atomic.
  Sizes sizes() const noexcept {
    const std::uint32_t shape = this->shape();
    const std::uint32_t key = shape >> kKeyShift & kWide;
    if (key != kWide) [[likely]] {
      return {sizeof(Entry), key, 0, shape >> kReplyShift & kNarrowReply};
    }
    return {sizeof(Entry) + sizeof(Wide), wide().key_size, wide().args_size, wide().reply_size};
  }
  std::size_t block_size() const noexcept {
    const Sizes sizes = this->sizes();
    return sizes.header + sizes.key + sizes.args + sizes.reply;
  }
  Time far_deadline() const noexcept {
    std::uint64_t units = expiry_ & kDeadlineMask;
    std::uint64_t never = kDeadlineMask;
    if (is_wide()) {
      units |= std::uint64_t{wide().command} >> kFarShift << kDeadlineBits;
      never |= std::uint64_t{3} << kDeadlineBits;
    }
    return units == never ? kNever : Time(static_cast<std::int64_t>(units) * kDeadlineUnit);
  }
  void set_seq(std::uint64_t seq) noexcept {
    expiry_ = (expiry_ & ~kSeqHighMask) | seq >> 32 << kSeqHighShift;
    seq_low_ = static_cast<std::uint32_t>(seq);
  }

  Entry* prev() const noexcept {
    return reinterpret_cast<Entry*>((newer_ & kLinkMask) << kAlignBits);
  }
  Entry* next() const noexcept {
    return reinterpret_cast<Entry*>((older_ & kLinkMask) << kAlignBits);
  }
  void set_prev(Entry* entry) noexcept {
    newer_ = (newer_ & ~kLinkMask) | reinterpret_cast<std::uintptr_t>(entry) >> kAlignBits;
  }
  void set_next(Entry* entry) noexcept {
    older_ = (older_ & ~kLinkMask) | reinterpret_cast<std::uintptr_t>(entry) >> kAlignBits;
  }
  // Three bits, for the eviction policy to use.
  std::uint64_t policy_bits() const noexcept {
    return (expiry_ & kPolicyMask) >> kPolicyShift;
  }
  void set_policy_bits(std::uint64_t bits) noexcept {
    expiry_ = (expiry_ & ~kPolicyMask) | (bits << kPolicyShift);
  }

  std::uint64_t newer_ = 0;   // 44 bits: link; 20: the home hash's low ones
  std::uint64_t older_ = 0;   // 44 bits: link; 12: the home hash's high ones; 8: generation
  std::uint64_t expiry_ = 0;  // 46 bits: deadline; 12: high ones of seq; 3: policy; 3: see above
  std::uint32_t seq_low_ = 0;
  // 8 bits: command; 7: size of the key; 10: of the reply; 2: ttl; 1: bulk; 4: references, that is
  // the store's and one for each Pin. Only the owner of the shard counts these up, anyone may count
  // them down; the other bits change only while there is one.
  std::atomic<std::uint32_t> shape_{kReference};
};
static_assert(sizeof(Entry) == 32);

// A key and a variant, to find the entry that has them.
class Name {
 public:
  Name(const Key& key, const Variant& variant) noexcept : key_(key), variant_(variant) {
    if (narrow(key, variant)) {
      shape_ = static_cast<std::uint32_t>(key.bytes.size()) << Entry::kKeyShift |
               std::uint32_t{variant.command} << Entry::kCommandShift;
    }
  }
  bool is_of(const Entry& entry) const noexcept {
    if ((entry.shape() & Entry::kNameMask) == shape_) [[likely]] {
      return std::memcmp(entry.behind_header(), key_.bytes.data(), key_.bytes.size()) == 0;
    }
    return entry.is_wide() && entry.matches(key_.db, key_.bytes) && entry.matches(variant_);
  }
  // Whether it fits an entry that is not wide.
  static bool narrow(const Key& key, const Variant& variant) noexcept {
    return key.bytes.size() < Entry::kWide && key.db == 0 &&
           variant.command <= Entry::kNarrowCommands && variant.resp == 0 && variant.args.empty();
  }

 private:
  const Key& key_;
  const Variant& variant_;
  std::uint32_t shape_ = ~std::uint32_t{0};  // no entry's, under kNameMask
};

// Keeps a reply readable after its entry was evicted or replaced. May be moved to, read and
// released on another thread; must be made under the shard's lock (Store::pin). The memory of a
// block that only pins hold is not in Store::bytes().
class Pin {
 public:
  Pin() = default;
  Pin(Pin&& other) noexcept
      : entry_(std::exchange(other.entry_, nullptr)), reply_(std::exchange(other.reply_, {})) {
  }
  Pin& operator=(Pin&& other) noexcept {
    if (this != &other) {
      reset();
      entry_ = std::exchange(other.entry_, nullptr);
      reply_ = std::exchange(other.reply_, {});
    }
    return *this;
  }
  ~Pin() {
    reset();
  }

  explicit operator bool() const noexcept {
    return entry_ != nullptr;
  }
  Reply reply() const noexcept {
    return reply_;
  }
  // Whether it was made of this entry. As long as the pin is there no other reply can come to stand
  // in that entry, so it is then the very same fill. (Of an entry with very many pins: false.)
  bool holds(const Entry* entry) const noexcept {
    return entry_ == entry;
  }
  void reset() noexcept;

 private:
  friend class Store;
  Pin(Entry* entry, Reply reply) noexcept : entry_(entry), reply_(reply) {
  }

  Entry* entry_ = nullptr;
  // A copy: the entry's own fields belong to the shard's lock.
  Reply reply_;
};

}  // namespace tiercache::l1
