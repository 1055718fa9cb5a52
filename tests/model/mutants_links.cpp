// Mutants: rules about the event link.
#include "scripts.hpp"

namespace model {

std::vector<Mutant> mutants_of_links() {
  return {
      {"apply_events", script("RR|R d"), &explore<Rules{.apply_events = false}>},
      {"two_pings", script("LR|R t2"), &explore<Rules{.two_pings = false}>},
      {"flush_at_loss", script("RR|R de"), &explore<Rules{.flush_at_loss = false}>},
      {"flush_at_subscribe", script("R|R de"), &explore<Rules{.flush_at_subscribe = false}>},
      {"flush_at_release", script("LR|R e"), &explore<Rules{.flush_at_release = false}>},
      {"flush_on_null", script("RR|R f"), &explore<Rules{.flush_on_null = false}>},
      {"canary_heard", script("RR|R dn"), &explore<Rules{.canary_heard = false}>},
      {"canary_surprise", script("RR|R x"), &explore<Rules{.canary_surprise = false}>},
  };
}

}  // namespace model
