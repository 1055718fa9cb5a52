// The keys that live in the proxy alone: strings with Redis's commands on them, for namespaces of
// tier "l1". What Redis would answer is what is answered, byte for byte; a namespace may limit how
// long and how much it holds.
//
// One for all threads. A command locks the shards of its keys, in their order, so one of several
// keys is atomic. Pure: the time is a parameter, the wall clock's, because EXPIREAT means that one.
// Cost: about that of a look-up in L1, and a copy of the value under the lock.
//
// Limits: each namespace has its own memory, of which each shard has its part. When it is full the
// least recently used keys go, and are counted. A value beyond max_value is refused.
#pragma once

#include "tiercache/base/hash.hpp"
#include "tiercache/base/mutex.hpp"
#include "tiercache/command/command.hpp"
#include "tiercache/l1/store.hpp"
#include "tiercache/resp/encoder.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::local {

using std::chrono::milliseconds;

// What a command does; none: such keys do not have it.
enum class Verb : std::uint8_t {
  none,
  del,  // UNLINK too
  exists,
  expire,  // and its three relatives
  get,
  getdel,
  getex,
  increment,  // INCR, INCRBY, DECR, DECRBY
  mget,
  mset,
  persist,
  set,
  setex,  // PSETEX too
  setnx,
  ttl,  // PTTL too
};
// `name` as in the command table.
Verb verb_of(std::string_view name) noexcept;
// All names that have one, in lower case, for people.
std::string verb_names();

struct SpaceConfig {
  std::string name;  // for errors
  std::size_t max_memory = 0;
  std::size_t max_value = 0;
  milliseconds ttl{0};  // the longest a key lives after it was written; 0: for ever
};

struct Ask {
  Verb verb = Verb::none;
  std::string_view command;  // its name as in the command table
  command::Args args;        // REQUIRES: their number fits
  // The space of each key, in the order of the keys among the arguments.
  std::span<const std::uint16_t> spaces;
  std::uint32_t db = 0;
  resp::Version version = resp::Version::resp2;
  milliseconds now{0};  // since 1970
};

struct Totals {
  std::uint64_t hits = 0;    // keys read, and there
  std::uint64_t misses = 0;  // keys read, and not there
  std::uint64_t writes = 0;  // keys changed
  std::uint64_t evictions = 0;
  std::uint64_t expired = 0;
  std::size_t entries = 0;
  std::size_t bytes = 0;
};

class Keyspace {
 public:
  // REQUIRES: not empty.
  Keyspace(std::vector<SpaceConfig> spaces, std::uint64_t seed);

  const SpaceConfig& config(std::uint16_t space) const noexcept {
    return spaces_[space];
  }
  // Appends the reply. Thread-safe, as all of them.
  void run(const Ask& ask, std::string& out);
  // Whether there is such a key; no use of it.
  bool holds(std::uint16_t space, std::uint32_t db, std::string_view key, milliseconds now);
  // All keys of a db, or of all dbs.
  void flush(std::optional<std::uint32_t> db);
  Totals totals(std::uint16_t space);

 private:
  friend class Run;

  struct Part {
    l1::Store store;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t writes = 0;
  };
  struct alignas(64) Shard {
    Mutex mutex;
    std::vector<Part> parts TC_GUARDED_BY(mutex);  // by space
  };

  std::size_t shard_of(KeyHash hash) const noexcept {
    return static_cast<std::size_t>(hash >> 32) & (shards_.size() - 1);
  }

  const std::vector<SpaceConfig> spaces_;
  const KeyHasher hasher_;
  std::vector<Shard> shards_;  // a power of two
};

}  // namespace tiercache::local
