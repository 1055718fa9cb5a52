// What must hold between keys, as one table.
#pragma once

#include "tiercache/config/config.hpp"

#include <span>
#include <string>
#include <string_view>

namespace tiercache::config {

struct Rule {
  std::string_view first;
  std::string_view relation;  // stands between the keys in the message
  std::string_view second;    // empty if the rule is about the first alone
  bool (*holds)(const Config&);
};

std::span<const Rule> rules() noexcept;

// `l1.a (5) must not exceed l1.b (3)`.
std::string broken(const Rule& rule, const Config& config);

}  // namespace tiercache::config
