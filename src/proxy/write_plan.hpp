// What a client's write means for a source and for Redis, where its namespace's keys are written
// to a source too: which commands there are, what the source is to have, and what Redis is sent
// once the source has it. Pure.
//
// The commands are those whose outcome does not depend on what is there: SET, SETEX, PSETEX, MSET,
// DEL, UNLINK. Those that look (SETNX, GETSET, INCR, APPEND, SET with NX, XX, GET or KEEPTTL) would
// have to see what the source has while no other proxy writes. What Redis would refuse for its
// syntax is refused here, before the source is asked.
#pragma once

#include "errand.hpp"

#include "tiercache/command/command.hpp"
#include "tiercache/proxy/copy_ttl.hpp"
#include "tiercache/topology/slot_map.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::proxy {

struct WritePlan {
  enum class Reply : std::uint8_t {
    ok,
    removed,  // how many keys were there, in the source or in Redis
  };
  struct Key {
    std::string_view name;
    std::optional<std::string_view> value;  // nothing: it is removed
  };
  std::string error;  // empty: it can be done; else the reply, without "-"
  Reply reply = Reply::ok;
  std::vector<Key> keys;        // in their order, each as often as it was named
  std::vector<Errand> errands;  // for Redis; of `removed` one for each key
};

// Whether there is a plan for the command at all. `name` as in the command table.
bool can_write_to_source(std::string_view name) noexcept;
// Whether a command changes nothing but how long Redis keeps its copy: it goes to Redis as ever.
bool is_of_copy_alone(std::string_view name) noexcept;
// The names of those for which there is, for people.
std::string_view source_writes() noexcept;

struct WriteTerms {
  CopyTtl copy_ttl;                  // of what is set without a time of its own
  std::chrono::milliseconds now{0};  // since 1970
  std::string_view keys;             // what errors call them
  bool by_slots = false;             // over a Cluster: an errand's keys have one slot
};
// REQUIRES: can_write_to_source(name), the number of arguments fits. Views are into `args`.
WritePlan plan_write(std::string_view name, command::Args args, const WriteTerms& terms);

// Over a Cluster: the nodes of the keys, each once, or why they cannot be written together.
// `split`: they may have several slots.
struct NodesOf {
  std::string error;
  std::vector<topology::NodeIndex> nodes;
};
NodesOf nodes_of(const std::vector<WritePlan::Key>& keys, const topology::SlotMap& map, bool split);

}  // namespace tiercache::proxy
