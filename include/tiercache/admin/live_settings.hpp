// The configuration in force, and its exchange while the proxy runs: for CACHE CONFIG SET and for a
// reload. Whoever reads it keeps a shared_ptr; nothing changes under a reader.
//
// get() from any thread. apply() on one thread at a time (the control thread). The hub and the
// cache outlive it.
#pragma once

#include "tiercache/base/mutex.hpp"
#include "tiercache/coherence/cache.hpp"
#include "tiercache/config/config.hpp"
#include "tiercache/proxy/worker.hpp"

#include <functional>
#include <memory>

namespace tiercache::admin {

using ConfigPtr = std::shared_ptr<const config::Config>;

// What the configuration means for L1; the limits are the whole cache's.
coherence::ShardConfig shard_config(const config::Config& config);

class LiveSettings {
 public:
  LiveSettings(ConfigPtr initial, proxy::Hub& hub);

  ConfigPtr get() const;
  // Swaps, and tells workers, L1 and `on_change` of it. Takes each shard's lock once.
  // REQUIRES: validated; differs from the one in force in live keys only.
  void apply(ConfigPtr config);

  // To the L1 of each of the hub's nodes its part of the limits. Takes each shard's lock once.
  void share_out();

  // Called by apply() with the new one. Set before anybody calls apply().
  std::function<void(const config::Config&)> on_change;

 private:
  proxy::Hub& hub_;
  mutable Mutex mutex_;
  ConfigPtr config_ TC_GUARDED_BY(mutex_);
};

}  // namespace tiercache::admin
