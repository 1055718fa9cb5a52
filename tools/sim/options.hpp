// The command line of tiercache-sim. Pure.
#pragma once

#include "simulate.hpp"

#include "tiercache/base/result.hpp"

#include <span>
#include <string>
#include <string_view>

namespace tiercache::sim {

struct Options {
  Setup setup;
  std::string trace;
  bool help = false;
};

extern const std::string_view kUsage;
std::string_view name_of(l1::Eviction policy) noexcept;
Result<Options> parse_options(std::span<const std::string_view> words);

}  // namespace tiercache::sim
