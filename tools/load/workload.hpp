// What is asked: plain data, from the command line.
#pragma once

#include "keys.hpp"
#include "value_sizes.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace tiercache::load {

enum class CommandKind : std::uint8_t { get, set, mix, mget };

struct Workload {
  CommandKind command = CommandKind::get;
  double get_share = 1;       // mix: the share of GETs, the others are SETs
  std::size_t mget_keys = 1;  // mget
  KeySpec keys;
  std::string key_prefix = "key:";  // twelve digits follow it
  ValueSizes values;                // set, mix
  std::chrono::seconds ttl{0};      // set, mix: 0 = none
  std::uint64_t seed = 1;
};

}  // namespace tiercache::load
