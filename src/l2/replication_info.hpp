// What INFO replication says (Redis 7.0: genRedisInfoString), as far as reads from replicas need
// it. Pure.
#pragma once

#include "tiercache/topology/replica_choice.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::l2 {

struct Replication {
  bool master = false;
  // Of a replica: it hears its master. Without that its data may be of any age.
  bool linked = false;
  std::string history;       // the replication id: offsets of one history can be compared
  std::uint64_t offset = 0;  // a master's stream is so long; a replica has applied so much of it
  std::vector<topology::ReplicaSeen> replicas;  // a master's
};

// Nothing: it is no such text.
std::optional<Replication> read_replication(std::string_view info);

// The replica's data holds all that the master had done when it said this.
bool has_caught_up(const Replication& replica, const Replication& master);

}  // namespace tiercache::l2
