// The faults of the nemesis test, as data: how each is brought about and lifted.
#pragma once

#include "faultproxy/fault_proxy.hpp"
#include "nemesis_workload.hpp"
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::testing {

// How the proxy comes to know of changes (coherence.invalidation).
enum class Invalidation : std::uint8_t { ttl, tracking, keyspace };

// Redis, the fault proxy before it, tiercache before that, and clients of it.
struct NemesisWorld {
  static constexpr std::chrono::milliseconds kMaxStaleness{150};
  static constexpr std::chrono::milliseconds kCanaryInterval{100};

  // `sets` are further settings of the proxy.
  NemesisWorld(Invalidation by, bool long_form, const std::vector<std::string>& sets);

  Client direct() const;  // spared by CLIENT KILL
  struct Stats {
    bool live = false;
    std::int64_t hits = 0;
    std::int64_t bumps = 0;  // how often L1 was emptied
  };
  Stats stats();

  const Invalidation invalidation;
  const bool is_long;
  RedisServer redis;
  faultproxy::FaultProxy links{redis.port()};
  TiercacheProcess proxy;
  Client asker{proxy.port(), std::chrono::seconds(30)};
  NemesisWorkload workload{redis.port(), proxy.port(), kMaxStaleness};
};

enum class Lost : std::uint8_t {
  nothing,
  at_once,         // by apply()
  while_it_holds,  // keys may be gone from apply() to the end of lift()
};

// Who tells the proxy, and so how late it may be.
enum class Told : std::uint8_t {
  by_events,
  by_canary,  // Redis says nothing
};

// Where L1 must be emptied by a fault: if it is not, the fault has not hit, and proves nothing.
enum class Empties : std::uint8_t {
  maybe,
  stream,  // where something tells of changes
  events,  // with keyspace events only
};

struct NemesisFault {
  std::string_view name;
  // What lasts until it is lifted; without lift() it is a moment's fault.
  void (*apply)(NemesisWorld& world);
  void (*lift)(NemesisWorld& world);
  Empties l1 = Empties::maybe;
  Lost lost = Lost::nothing;
  Told told = Told::by_events;
};
std::span<const NemesisFault> nemesis_faults();

}  // namespace tiercache::testing
