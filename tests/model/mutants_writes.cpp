// Mutants: rules about writes, scripts and flushes.
#include "scripts.hpp"

namespace model {

std::vector<Mutant> mutants_of_writes() {
  return {
      {"bar_at_send", script("RWR|R 2"), &explore<Rules{.bar_at_send = false}>},
      {"bar_at_reply", script("RWR|RR"), &explore<Rules{.bar_at_reply = false}>},
      {"bar_blocking_reply", script("XB|RR"), &explore<Rules{.bar_blocking_reply = false}>},
      {"hold_scripts", script("LR|RR"), &explore<Rules{.hold_scripts = false}>},
      {"session_fence", script("LR|R S"), &explore<Rules{.session_fence = false}>},
      {"no_hit_past_wide_write", script("FR|R d2"),
       &explore<Rules{.no_hit_past_wide_write = false}>},
      {"flush_at_reply", script("FR|RR"), &explore<Rules{.flush_at_reply = false}>},
  };
}

}  // namespace model
