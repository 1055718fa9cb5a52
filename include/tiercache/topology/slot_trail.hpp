// The way of a request from node to node, until one has run it: a server that says that the slot is
// elsewhere, or moving, has not. Here is decided who is asked next; for whoever sends requests of
// the proxy's own, which no client waits to send again. Pure.
//
// Limits: kHops redirects in a row, then a pause of kPause; kPatience in all, which the owner sees
// to.
#pragma once

#include "tiercache/topology/slot_map.hpp"
#include "tiercache/topology/slots.hpp"

#include <chrono>
#include <string_view>

namespace tiercache::topology {

class SlotTrail {
 public:
  static constexpr unsigned kHops = 8;
  static constexpr std::chrono::milliseconds kPause{50};
  static constexpr std::chrono::seconds kPatience{5};

  struct Next {
    NodeIndex node = SlotMap::kNobody;  // kNobody: nobody now; after a pause it begins anew
    bool asking = false;                // with ASKING before it
    bool stale = false;                 // the map is not right: who was asked last knows more
  };

  // By the map, for the first time or anew.
  Next begin(const SlotMap& map, Slot slot) noexcept;
  // Node `from` has not run it. `error`: why not, is_of_slots(); empty: nobody knows, it was lost.
  Next refused(std::string_view error, const SlotMap& map, NodeIndex from);

 private:
  unsigned hops_ = 0;
};

}  // namespace tiercache::topology
