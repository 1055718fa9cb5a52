// Whether what a source gave is still fresh, told by the TTL that it has left in Redis: it is
// stored for its l2_ttl and, behind that, for as long as it may be served stale. So no clock and no
// mark is needed, all proxies of one Redis agree, and a shorter TTL is how it is made stale before
// its time. Pure.
//
// Refresh ahead is XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede
// Prevention, VLDB 2015): each time Redis is asked the end is moved forward at random, by an
// exponential distribution whose mean is beta times what loading the key takes.
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/config/config.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace tiercache::proxy {

struct Freshness {
  std::chrono::milliseconds while_revalidate{0};  // of what is stale
  std::chrono::milliseconds if_error{0};
  unsigned ahead_percent = 0;  // beta times 100

  // What is kept in Redis beyond its l2_ttl.
  std::chrono::milliseconds window() const noexcept {
    return std::max(while_revalidate, if_error);
  }
  bool any() const noexcept {
    return window().count() > 0 || ahead_percent > 0;
  }
};

Freshness freshness_of(const config::Namespace& space) noexcept;

enum class Age : std::uint8_t {
  fresh,
  early,  // fresh, and to be loaded anew all the same
  stale,  // to be served, and loaded anew
  old,    // to be loaded anew, and served if that fails
};

struct Aged {
  Age age = Age::fresh;
  std::int64_t pttl_ms = 0;  // how long L1 may take it for fresh
};

// `pttl_ms` is Redis's answer of a key that exists; negative: it has no TTL, and is fresh.
// `load_time`: what loading this key takes. `random` is uniform over all numbers.
Aged aged(const Freshness& how, std::int64_t pttl_ms, Duration load_time,
          std::uint64_t random) noexcept;

}  // namespace tiercache::proxy
