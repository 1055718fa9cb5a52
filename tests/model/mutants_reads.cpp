// Mutants: rules about what a read may be answered with.
#include "scripts.hpp"

namespace model {

std::vector<Mutant> mutants_of_reads() {
  return {
      {"live_only", script("RR|R de"), &explore<Rules{.live_only = false}>},
      {"bound_staleness", script("RR|R ds"), &explore<Rules{.bound_staleness = false}>},
      {"fence_each_hit", script("RR|R dz"), &explore<Rules{.fence_each_hit = false}>},
      {"check_generation", script("RR|R f"), &explore<Rules{.check_generation = false}>},
      {"expire_entries", script("RR|R T"), &explore<Rules{.expire_entries = false}>},
      {"undivided_multi", script("MM|R D"), &explore<Rules{.undivided_multi = false}>},
      {"drop_pass_read", script("PR|RR d"), &explore<Rules{.drop_pass_read = false}>},
      {"whole_multi", script("MM|R D"), &explore<Rules{.whole_multi = false}>},
      {"watch_bypasses", script("RXRE|R d"), &explore<Rules{.watch_bypasses = false}>},
      {"no_hit_past_read", script("RR|R dd2"), &explore<Rules{.no_hit_past_read = false}>},
      {"stall_on_foreign_join", script("RW|R 2"), &explore<Rules{.stall_on_foreign_join = false}>},
      {"drain_before_move", script("WXR|R 3"), &explore<Rules{.drain_before_move = false}>},
  };
}

}  // namespace model
