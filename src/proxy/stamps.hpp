// What Redis has allowed users who may not do everything: "this user ran this command on this key,
// and Redis answered", each for coherence.acl_ttl_ms from when the command was sent. Only while
// such a stamp lives may L1 answer the same question; an error makes none.
//
// What Redis decides depends on the user, the command and its keys alone, not on the other
// arguments. A stamp names the user and the command, and the key by 128 bits of a hash with a
// secret seed.
//
// Pure: the time is a parameter. One a worker, used on its thread. Limit: kStamps; of four that
// share a place, the one that ends first makes way, and its read goes to Redis. The memory (1.5 MB)
// is taken with the first stamp.
#pragma once

#include "tiercache/base/hash.hpp"
#include "tiercache/base/time.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tiercache::proxy {

class Stamps {
 public:
  static constexpr std::size_t kStamps = std::size_t{1} << 15;

  struct Subject {
    std::uint64_t user = 0;
    std::uint32_t db = 0;
    std::uint16_t command = 0;  // in the table
    WideHash key;

    bool operator==(const Subject&) const = default;
  };

  explicit Stamps(std::uint64_t seed) noexcept : seed_(seed) {
  }

  Subject subject(std::uint64_t user, std::uint16_t command, std::uint32_t db,
                  std::string_view key) const noexcept {
    return {user, db, command, wide_hash(seed_, key)};
  }
  bool live(const Subject& subject, Time now) const noexcept;
  void add(const Subject& subject, Time until);

 private:
  static constexpr std::size_t kWays = 4;
  struct Stamp {
    Subject subject;
    Time until = Time::min();
  };

  std::size_t place(const Subject& subject) const noexcept;

  const std::uint64_t seed_;
  std::vector<Stamp> stamps_;
};

}  // namespace tiercache::proxy
