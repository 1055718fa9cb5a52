// Mutants: rules about what a read may be answered with.
#include "scripts.hpp"

namespace model {

std::vector<Mutant> mutants_of_reads() {
  return {
      {"drop_pass_read", script("PR|RR d"), &explore<Rules{.drop_pass_read = false}>},
      {"whole_multi", script("MM|R D"), &explore<Rules{.whole_multi = false}>},
      {"watch_bypasses", script("RXRE|R d"), &explore<Rules{.watch_bypasses = false}>},
      {"no_hit_past_read", script("RR|R dd2"), &explore<Rules{.no_hit_past_read = false}>},
      {"stall_on_foreign_join", script("RW|R 2"), &explore<Rules{.stall_on_foreign_join = false}>},
  };
}

}  // namespace model
