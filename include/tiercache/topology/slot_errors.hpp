// What keeps a server of a Cluster from running a command. Pure.
#pragma once

#include <algorithm>
#include <iterator>
#include <string_view>

namespace tiercache::topology {

// Whether it is because of the command's slot: with another map, or later, it may go.
inline bool is_of_slots(std::string_view reply) noexcept {
  constexpr std::string_view kErrors[] = {"-MOVED ", "-ASK ", "-TRYAGAIN", "-CLUSTERDOWN"};
  return std::any_of(std::begin(kErrors), std::end(kErrors),
                     [&](std::string_view error) { return reply.starts_with(error); });
}

}  // namespace tiercache::topology
