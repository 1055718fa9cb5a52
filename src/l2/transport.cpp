#include "transport.hpp"

#include <algorithm>

namespace tiercache::l2 {

const char* name(Transport transport) noexcept {
  switch (transport) {
    case Transport::keyspace:
      return "keyspace";
    case Transport::tracking:
      return "tracking";
    case Transport::ttl:
      return "ttl";
  }
  return "unknown";
}

bool refused_for_good(std::string_view error) noexcept {
  if (error.starts_with('-')) {
    error.remove_prefix(1);
  }
  return error.starts_with("NOPERM") ||
         (error.starts_with("ERR ") && !error.starts_with("ERR max number of clients"));
}

std::vector<std::string> tracked_prefixes(const std::vector<std::string>& wanted,
                                          const std::string& canary_key) {
  std::vector<std::string> prefixes = wanted;
  const auto covers = [&](const std::string& prefix) {
    return canary_key.starts_with(prefix);
  };
  if (!wanted.empty() && !canary_key.empty() && std::ranges::none_of(wanted, covers)) {
    prefixes.push_back(canary_key);
  }
  return prefixes;
}

bool Ladder::step_down(std::string_view why) {
  if (at_ + 1 == all_.size()) {
    return false;
  }
  reasons_.append(reasons_.empty() ? "" : "; ").append(name(current())).append(": ").append(why);
  at_++;
  return true;
}

}  // namespace tiercache::l2
