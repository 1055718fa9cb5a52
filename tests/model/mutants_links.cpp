// Mutants: rules about the event link and about moving between links.
#include "scripts.hpp"

namespace model {

std::vector<Mutant> mutants_of_links() {
  return {
      {"two_pings", script("LR|R t2"), &explore<Rules{.two_pings = false}>},
      {"flush_at_loss", script("RR|R de"), &explore<Rules{.flush_at_loss = false}>},
      {"flush_at_subscribe", script("R|R de"), &explore<Rules{.flush_at_subscribe = false}>},
      {"flush_at_release", script("LR|R e"), &explore<Rules{.flush_at_release = false}>},
      {"flush_on_null", script("RR|R f"), &explore<Rules{.flush_on_null = false}>},
      {"check_generation", script("RR|R f"), &explore<Rules{.check_generation = false}>},
      {"drain_before_move", script("WXR|R 3"), &explore<Rules{.drain_before_move = false}>},
  };
}

}  // namespace model
