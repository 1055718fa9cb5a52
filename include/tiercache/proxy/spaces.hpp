// How one worker treats the keys of each namespace, and what it has counted of them. Index 0 is for
// the keys of none.
//
// Owned by a Worker, used on its thread; sums() on any.
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/coherence/shard.hpp"
#include "tiercache/command/table.hpp"
#include "tiercache/config/config.hpp"
#include "tiercache/l1/shares.hpp"
#include "tiercache/local/keyspace.hpp"
#include "tiercache/namespaces/set.hpp"
#include "tiercache/proxy/freshness.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::proxy {

enum class SpaceCounter : std::uint8_t {
  hits,     // keys answered from L1
  misses,   // reads that L1 could not answer and may fill
  fills,    // replies kept
  refused,  // replies that might have been, and were not
  passed,   // keys read in Redis past L1
  writes,   // keys written
};
inline constexpr std::size_t kSpaceCounters = static_cast<std::size_t>(SpaceCounter::writes) + 1;
inline constexpr std::array<std::string_view, kSpaceCounters> kSpaceCounterNames = {
    "hits", "misses", "fills", "refused", "passed", "writes"};
using SpaceSums = std::array<std::uint64_t, kSpaceCounters>;

class Spaces {
 public:
  // The namespaces are those of this configuration for good.
  explicit Spaces(const config::Config& config);

  // What a change of the configuration or of the table means for them.
  void configure(const config::Config& config, const command::Table& table);

  const namespaces::Set& set() const noexcept {
    return set_;
  }
  bool any() const noexcept {
    return set_.size() > 0;
  }
  namespaces::Index find(std::string_view key) const noexcept {
    return set_.find(key);
  }
  // Whether L1 may answer the read at that position of the table.
  bool keeps(namespaces::Index index, std::uint16_t position) const noexcept {
    return spaces_[index].kept_commands[position] != 0;
  }
  std::size_t max_value(namespaces::Index index) const noexcept {
    return spaces_[index].max_value;
  }
  // Of the namespace alone; Duration::max() if it has none.
  Duration max_staleness(namespaces::Index index) const noexcept {
    return spaces_[index].max_staleness;
  }
  // Whether any namespace lives in the proxy alone.
  bool any_local() const noexcept {
    return any_local_;
  }
  // Which space of the Keyspace its keys are in; kNotLocal: they are Redis's.
  static constexpr std::uint16_t kNotLocal = 0xffff;
  std::uint16_t local(namespaces::Index index) const noexcept {
    return spaces_[index].local;
  }
  // Which class of L1's shares its keys are in; 0: it has no share.
  std::uint16_t share(namespaces::Index index) const noexcept {
    return spaces_[index].share;
  }
  // Whether a fill asks Redis for the TTL of the key.
  bool asks_ttl(namespaces::Index index) const noexcept {
    return spaces_[index].asks_ttl;
  }
  // Whether GET of a key that Redis has not asks a source.
  bool loads(namespaces::Index index) const noexcept {
    return spaces_[index].loads;
  }
  // Whether what was loaded grows stale before its TTL is over, or is loaded anew before that.
  bool ages(namespaces::Index index) const noexcept {
    return spaces_[index].freshness.any();
  }
  // What the command at that position of the table does to such keys.
  local::Verb verb(std::uint16_t position) const noexcept {
    return verbs_[position];
  }
  // Says how long what fills L1 may live: not until it is stale. With Proof::age an entry's age is
  // its staleness.
  void limit(coherence::Fill& fill, namespaces::Index index, KeyHash hash, Time now,
             coherence::Proof proof) const noexcept;

  // Keys of no namespace are not counted here.
  void count(namespaces::Index index, SpaceCounter what) noexcept {
    if (index != namespaces::kDefault) {
      auto& value = counts_[index][static_cast<std::size_t>(what)];
      value.store(value.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
  }
  SpaceSums sums(namespaces::Index index) const noexcept;

 private:
  struct Space {
    std::vector<std::uint8_t> kept_commands;  // by position in the table
    std::size_t max_value = 0;
    Duration max_staleness = Duration::max();
    std::uint16_t local = kNotLocal;
    bool loads = false;
    bool asks_ttl = true;
    std::uint16_t share = 0;
    Freshness freshness;
  };
  using Counts = std::array<std::atomic<std::uint64_t>, kSpaceCounters>;

  const namespaces::Set set_;
  std::vector<Space> spaces_;
  bool any_local_ = false;
  std::vector<local::Verb> verbs_;    // by position in the table
  std::unique_ptr<Counts[]> counts_;  // one writer
};

// The shares of L1 that namespaces have, in their order; null: none has one.
std::shared_ptr<const l1::Shares> make_shares(const config::Config& config);

// What the namespaces of tier l1 keep; null: there are none.
std::shared_ptr<local::Keyspace> make_keyspace(const config::Config& config, std::uint64_t seed);

struct Hub;

// Of each namespace by name, in their order, what was counted: "hits=1,misses=2,...". Any thread.
std::vector<std::pair<std::string, std::string>> namespace_lines(const Hub& hub);

std::string to_text(const SpaceSums& sums);

}  // namespace tiercache::proxy
