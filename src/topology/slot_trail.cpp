#include "tiercache/topology/slot_trail.hpp"

namespace tiercache::topology {

SlotTrail::Next SlotTrail::begin(const SlotMap& map, Slot slot) noexcept {
  hops_ = 0;
  return {map.node_of[slot], false, map.node_of[slot] == SlotMap::kNobody};
}

SlotTrail::Next SlotTrail::refused(std::string_view error, const SlotMap& map, NodeIndex from) {
  const auto where = read_redirect(error);
  Next next;
  // A slot that moves is where the map says; of everything else somebody has to be asked.
  next.stale = !where || where->kind == Redirect::Kind::moved;
  const NodeIndex there = where ? map.node_at(*where, from) : SlotMap::kNobody;
  if (there != SlotMap::kNobody && ++hops_ <= kHops) {
    next.node = there;
    next.asking = where->kind == Redirect::Kind::ask;
  }
  return next;
}

}  // namespace tiercache::topology
