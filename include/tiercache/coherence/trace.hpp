// What happened last to the keys of one shard, for the self-audit's log: when an entry turns out to
// be stale, these records say how it came to be there.
//
// Belongs to a shard, under its mutex. Pure. Off (no memory, one comparison for each transition)
// until it is given a size. Hits are not recorded.
//
// Limits: kWays records for all keys that share a bucket, the oldest goes first; so a key that
// changes all the time displaces the records of its bucket only. Evictions are not recorded: the
// store makes them by itself, and what was evicted is not served.
#pragma once

#include "tiercache/base/hash.hpp"
#include "tiercache/base/time.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tiercache::coherence {

enum class Transition : std::uint8_t {
  begun,           // a read was sent whose reply may fill
  committed,       // its reply entered L1
  refused,         // its reply was delivered, not kept
  lost,            // its link went before the reply
  fenced,          // entries of the key wait for a PING: another link's reply was delivered
  event,           // Redis says that it changed
  write_sent,      // a write through the proxy
  write_answered,  // its reply, error or loss
  blocking_write,  // the reply of a command that blocked and then wrote
  passed_read,     // a read that went past L1 was delivered
};

const char* name(Transition what) noexcept;

struct TraceRecord {
  KeyHash hash = 0;
  // Of a fill's transitions the time itself; of others the send time of the last acknowledged
  // PING, so they happened then or later, as a rule by less than the heartbeat.
  Time at{};
  // All three the low half: of the newest PING sent, of the key's epoch after it, of the
  // generation.
  std::uint32_t ping = 0;
  std::uint32_t epoch = 0;
  std::uint32_t generation = 0;
  Transition what = Transition::begun;
};
static_assert(sizeof(TraceRecord) == 32);

class Trace {
 public:
  static constexpr std::size_t kWays = 8;

  bool on() const noexcept {
    return !records_.empty();
  }
  // For so many records at least, 0: off. Forgets what was there if that is another size.
  void resize(std::size_t records) {
    const std::size_t buckets = records == 0 ? 0 : std::bit_ceil((records + kWays - 1) / kWays);
    if (buckets != next_.size()) {
      records_ = std::vector<TraceRecord>(buckets * kWays);
      next_ = std::vector<std::uint8_t>(buckets);
    }
  }
  // REQUIRES: on.
  void add(const TraceRecord& record) noexcept {
    const std::size_t at = bucket(record.hash);
    records_[at * kWays + next_[at]++ % kWays] = record;
  }
  // Calls f(const TraceRecord&) on what is known of that key, the oldest first.
  template <class F>
  void for_each(KeyHash hash, F&& f) const {
    if (!on()) {
      return;
    }
    const std::size_t at = bucket(hash);
    for (std::size_t i = 0; i < kWays; i++) {
      const TraceRecord& record = records_[at * kWays + (next_[at] + i) % kWays];
      if (record.hash == hash && record.generation != 0) {
        f(record);
      }
    }
  }

 private:
  std::size_t bucket(KeyHash hash) const noexcept {
    return (hash >> 16) & (next_.size() - 1);
  }

  std::vector<TraceRecord> records_;
  std::vector<std::uint8_t> next_;  // of each bucket; wraps round at a multiple of kWays
};

}  // namespace tiercache::coherence
