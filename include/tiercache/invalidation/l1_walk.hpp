// Removes from L1 what matches, in steps, so that neither a shard's lock nor the control loop,
// which has events to apply, is held for long. The control thread; the caches outlive it.
//
// It only empties, unless `refuses` is set: a flight that is under way may still commit what it
// brings.
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/coherence/cache.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::invalidation {

class L1Walk {
 public:
  using Matches = std::function<bool(const l1::Store& store, const l1::Entry& entry)>;
  struct Part {
    coherence::Cache* cache = nullptr;
    Matches matches;
    // Of flights under way that began before the walk has come to their shard, those of such keys
    // are neither kept nor joined.
    std::function<bool(std::string_view key)> refuses{};
  };

  explicit L1Walk(std::vector<Part> parts) : parts_(std::move(parts)) {
  }

  // A step of some hundred microseconds at most; true: all is done.
  bool step(Time now);
  // How many lived, of those that were removed so far.
  std::int64_t erased() const noexcept {
    return erased_;
  }

 private:
  const std::vector<Part> parts_;
  std::size_t part_ = 0;
  unsigned shard_ = 0;
  l1::Cursor cursor_{};
  bool begun_ = false;  // with this shard
  std::int64_t erased_ = 0;
};

}  // namespace tiercache::invalidation
