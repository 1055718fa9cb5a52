// Mutants: rules about what a fill may commit.
#include "scripts.hpp"

namespace model {

std::vector<Mutant> mutants_of_fills() {
  return {
      {"flight_identity", script("RR|R d"), &explore<Rules{.flight_identity = false}>},
      {"epoch_join", script("WR|R"), &explore<Rules{.epoch_join = false}>},
      {"bound_join", script("R|R das"), &explore<Rules{.bound_join = false}>},
      {"bound_join", script("R|R ds"), &explore<Rules{.bound_join = false}>},
      {"bound_join", script("R|R T"), &explore<Rules{.bound_join = false}>},
      {"bound_join", script("R|R dz"), &explore<Rules{.bound_join = false}>},
      {"drop_uncommitted", script("RR|R dd"), &explore<Rules{.drop_uncommitted = false}>},
      {"fence_other_links", script("RQ|QR d"), &explore<Rules{.fence_other_links = false}>},
      // Not for other links alone: an older reply to another command may have come by this one.
      {"fence_other_links", script("QRQ d"), &explore<Rules{.fence_other_links = false}>},
      {"same_source", script("RR|R dm"), &explore<Rules{.same_source = false}>},
      {"ttl_from_send", script("RRR|R T"), &explore<Rules{.ttl_from_send = false}>},
      {"pttl_agrees", script("RR|R Tp"), &explore<Rules{.pttl_agrees = false}>},
      {"age_cap", script("RR|R das"), &explore<Rules{.age_cap = false}>},
  };
}

}  // namespace model
