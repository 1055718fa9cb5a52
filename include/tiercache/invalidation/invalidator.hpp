// Invalidation by name, for what no event of Redis tells: a source has changed. Removes the copies
// that the tiers hold of a key, or of all keys of a prefix, a namespace or a tag: L1's entries,
// and, where the key's namespace loads from a source (tiers l1+l2+l3), Redis's key, since that is a
// copy too. Keys of other namespaces are Redis's own data: only L1 lets go of them. What may be
// served stale (proxy/freshness.hpp) can be made so instead of removed (How::soften).
//
// Promise: once keys() has called `done` without an error, or matching() has returned without one,
// this proxy answers no read that is sent then with what the source said before the call, on any
// thread. So a key of a source goes like this:
//   * it is announced as a client's write is: what is under way for it is not kept or stored;
//   * what a load is storing right now is waited for;
//   * UNLINK in Redis; and L1 lets go of it again, of what was read in between.
// By prefix, namespace or tag nothing of that has happened yet when matching() returns. The
// selection is pending from then on (proxy/invalidations.hpp): a request that names one of its keys
// waits for the above, of that key. In the background loads of any key are announced, then the keys
// come from SCAN, then L1 is walked, and what is on its way there is refused: then it is pending no
// longer. What Redis does not do is tried again, kRetryMin to kRetryMax later, from the beginning,
// since it may be another Redis then. The same selection again renews the one that is pending.
//
// Softened, a key's TTL becomes what it would have left had it just ceased to be fresh, and the
// promise is that of what is stale. Where nothing may be served stale it is removed.
//
// Cost: matching() a mutex and an allocation, whatever there is. Then one UNLINK a key; a walk over
// L1 in steps; and Redis's keys, with SCAN, only where a namespace with a source is concerned.
// Limits: proxy::Invalidations::kMost are pending at a time, others are refused; kBatch keys under
// way of each, and of those that requests wait for, which queue; Waiters::kMost wait for the first
// outcome of each (src/invalidation/waiters.hpp).
//
// Called on any thread; works on the control thread, where `done` is called later, once. What is
// under way when it is destroyed is dropped. Destroyed while neither loop runs; the hub and its
// events outlive it.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/config/config.hpp"
#include "tiercache/proxy/worker.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace tiercache::invalidation {

// Which keys of one db. Of a namespace, or, if it is kDefault, whatever begins with the prefix. Or
// of all namespaces with a source whose key pattern has a part of that name, the keys in which it
// has that value: the parts are what keys are tagged with.
struct Selection {
  struct Part {
    std::string name;
    std::string value;
  };
  std::uint32_t db = 0;
  namespaces::Index space = namespaces::kDefault;
  std::string prefix;
  std::optional<Part> part{};
};

enum class How : std::uint8_t { remove, soften };

class Invalidator {
 public:
  static constexpr std::size_t kBatch = 256;
  static constexpr std::chrono::milliseconds kRetryMin{100};
  static constexpr std::chrono::milliseconds kRetryMax{5000};

  // How many copies were removed: entries of L1, and keys of Redis. An error: Redis did not do it,
  // so its copies, at least some, are still there; L1's are not.
  using Done = std::function<void(Result<std::int64_t>)>;

  Invalidator(boost::asio::io_context& control, proxy::Hub& hub, const config::Config& config);
  ~Invalidator();
  Invalidator(const Invalidator&) = delete;
  Invalidator& operator=(const Invalidator&) = delete;

  void keys(std::uint32_t db, std::vector<std::string> keys, How how, Done done);

  // When `done` is called: once all copies are gone; or at what comes first, that, or an error
  // since Redis fails (it is tried again all the same) or too many wait for the same selection.
  enum class Tell : std::uint8_t { at_end, first_outcome };
  // An error: it is refused. `notices` is called once all copies are gone, before `done`; where the
  // same selection comes again meanwhile, the ones of one caller stand for those of others. Both
  // may be empty.
  Status matching(Selection selection, How how, Tell tell = Tell::at_end, Done done = {},
                  Done notices = {});

  // The namespace of that name; kDefault: there is none.
  namespaces::Index find(std::string_view name) const noexcept;
  // Whether the keys of any namespace with a source have a part of that name.
  bool has_part(std::string_view name) const noexcept;

 private:
  class Impl;
  boost::asio::io_context& control_;
  proxy::Hub& hub_;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace tiercache::invalidation
