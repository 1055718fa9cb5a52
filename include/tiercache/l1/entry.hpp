// One cached reply: a 48-byte header and, in the same block, the key, the arguments and the reply.
//
// An entry belongs to its Store and is read and changed only under the lock of the store's shard.
// Its bytes (key, arguments, reply) never change while it is pinned, so a Pin may be read, and
// released, on any thread.
//
// The header is packed by hand, because at a 16-byte key and a 64-byte value it decides which size
// class of the allocator a block falls into (80 + 48 = 128). So pointers take 48 bits, and there
// are limits, all of which only make an entry uncacheable: a key is shorter than 64 KiB, a db
// number below 65536, a reply and its arguments below 4 GiB together. Ids of commands are below
// 4096.
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
  Time expire_at = kNever;
  std::uint64_t generation = 0;
  std::uint64_t seq = 0;  // a ping number, below 2^56
  bool fenced = false;
  Ttl ttl = Ttl::none;
  bool negative = false;
};

inline constexpr std::uint64_t kMaxSeq = (std::uint64_t{1} << 56) - 1;

class Entry {
 public:
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  std::string_view key() const noexcept {
    return {payload(), key_size_};
  }
  std::string_view args() const noexcept {
    return has_args() ? std::string_view(payload() + key_size_ + kArgsPrefix, args_size())
                      : std::string_view();
  }
  Reply reply() const noexcept {
    return {{payload() + reply_offset(), reply_size_},
            (next_command_ & kBulk) != 0 ? Reply::Framing::bulk : Reply::Framing::as_is};
  }
  std::uint32_t db() const noexcept {
    return static_cast<std::uint32_t>(prev_db_ >> kPointerBits);
  }
  Variant variant() const noexcept {
    return {command(), resp(), args()};
  }
  std::uint16_t command() const noexcept {
    return static_cast<std::uint16_t>(next_command_ >> kCommandShift);
  }
  std::uint8_t resp() const noexcept {
    return static_cast<std::uint8_t>((seq_flags_ >> kRespShift) & 3);
  }

  Time expire_at() const noexcept {
    return expire_at_;
  }
  // The low half; the store knows the high one, see Store::generation_of.
  std::uint32_t generation_low() const noexcept {
    return generation_low_;
  }
  std::uint64_t seq() const noexcept {
    return seq_flags_ >> kSeqShift;
  }
  bool fenced() const noexcept {
    return (seq_flags_ & kFenced) != 0;
  }
  Ttl ttl() const noexcept {
    return static_cast<Ttl>((seq_flags_ >> kTtlShift) & 3);
  }
  bool negative() const noexcept {
    return (seq_flags_ & kNegative) != 0;
  }
  // Marks the entry as fenced by ping `seq`. REQUIRES: seq <= kMaxSeq.
  void set_fence(std::uint64_t seq) noexcept {
    seq_flags_ = (seq << kSeqShift) | (seq_flags_ & kFlagMask) | kFenced;
  }
  void clear_fence() noexcept {
    seq_flags_ &= ~kFenced;
  }

  // The low 32 bits of the key's hash.
  std::uint32_t home_hash() const noexcept {
    return home_hash_;
  }
  bool matches(std::uint32_t db_number, std::string_view key_bytes) const noexcept {
    return key_size_ == key_bytes.size() && db() == db_number &&
           std::memcmp(payload(), key_bytes.data(), key_bytes.size()) == 0;
  }
  bool matches(const Variant& wanted) const noexcept {
    return command() == wanted.command && resp() == wanted.resp && args() == wanted.args;
  }

 private:
  friend class Blocks;
  friend class Chain;
  friend class HitNotes;
  friend class Index;
  friend class Pin;
  friend class Queue;
  friend class S3Fifo;
  friend class Store;
  friend class TinyLfu;

  static constexpr unsigned kPointerBits = 48;
  static constexpr std::uint64_t kPointerMask = (std::uint64_t{1} << kPointerBits) - 1;
  static constexpr unsigned kCommandShift = 52;  // bits 48..50 of the word are the policy's
  static constexpr std::uint64_t kBulk = std::uint64_t{1} << 51;
  static constexpr std::uint64_t kPolicyMask = std::uint64_t{7} << kPointerBits;
  static constexpr std::uint64_t kPolicyPending = std::uint64_t{1} << 50;  // for HitNotes
  static constexpr unsigned kSeqShift = 8;
  static constexpr std::uint64_t kFlagMask = 0xff;
  static constexpr std::uint64_t kFenced = 1;
  static constexpr std::uint64_t kNegative = 2;
  static constexpr unsigned kTtlShift = 2;
  static constexpr unsigned kRespShift = 4;
  static constexpr std::uint64_t kHasArgs = 0x40;
  static constexpr std::uint64_t kBundled = 0x80;  // the index keeps it in a bundle
  static constexpr std::size_t kArgsPrefix = sizeof(std::uint32_t);

  Entry() = default;
  ~Entry() = default;

  const char* payload() const noexcept {
    return reinterpret_cast<const char*>(this + 1);
  }
  char* payload() noexcept {
    return reinterpret_cast<char*>(this + 1);
  }
  bool has_args() const noexcept {
    return (seq_flags_ & kHasArgs) != 0;
  }
  std::uint32_t args_size() const noexcept {
    std::uint32_t size;
    std::memcpy(&size, payload() + key_size_, sizeof size);
    return size;
  }
  std::size_t reply_offset() const noexcept {
    return key_size_ + (has_args() ? kArgsPrefix + args_size() : 0);
  }
  std::size_t block_size() const noexcept {
    return sizeof(Entry) + reply_offset() + reply_size_;
  }

  Entry* prev() const noexcept {
    return reinterpret_cast<Entry*>(prev_db_ & kPointerMask);
  }
  Entry* next() const noexcept {
    return reinterpret_cast<Entry*>(next_command_ & kPointerMask);
  }
  // Three bits, for the eviction policy to use.
  std::uint64_t policy_bits() const noexcept {
    return (next_command_ & kPolicyMask) >> kPointerBits;
  }
  void set_policy_bits(std::uint64_t bits) noexcept {
    next_command_ = (next_command_ & ~kPolicyMask) | (bits << kPointerBits);
  }
  void set_prev(Entry* entry) noexcept {
    prev_db_ = (prev_db_ & ~kPointerMask) | reinterpret_cast<std::uintptr_t>(entry);
  }
  void set_next(Entry* entry) noexcept {
    next_command_ = (next_command_ & ~kPointerMask) | reinterpret_cast<std::uintptr_t>(entry);
  }

  std::uint64_t prev_db_ = 0;  // 48 bits: towards the newer entry; 16: db
  std::uint64_t next_command_ =
      0;  // 48 bits: towards the older entry; 3: policy; 1: bulk; 12: command
  Time expire_at_ = kNever;
  std::uint64_t seq_flags_ = 0;
  std::uint32_t home_hash_ = 0;
  std::uint32_t generation_low_ = 0;
  std::uint32_t reply_size_ = 0;  // as stored
  std::uint16_t key_size_ = 0;
  // The store's reference and one for each Pin. Only the owner of the shard counts up, anyone may
  // count down.
  std::atomic<std::uint16_t> references_{1};
};
static_assert(sizeof(Entry) == 48);

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
