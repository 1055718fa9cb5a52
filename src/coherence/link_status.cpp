#include "tiercache/coherence/link_status.hpp"

namespace tiercache::coherence {

const char* name(LinkState state) noexcept {
  switch (state) {
    case LinkState::down:
      return "down";
    case LinkState::syncing:
      return "syncing";
    case LinkState::live:
      return "live";
    case LinkState::suspect:
      return "suspect";
  }
  return "unknown";
}

LinkStatus::LinkStatus(const LinkStatus& other) noexcept {
  *this = other;
}

LinkStatus& LinkStatus::operator=(const LinkStatus& other) noexcept {
  state_.store(other.state_.load());
  proof_.store(other.proof_.load());
  generation_.store(other.generation_.load());
  sent_.store(other.sent_.load());
  acked_.store(other.acked_.load());
  acked_at_.store(other.acked_at_.load());
  source_.store(other.source_.load());
  return *this;
}

}  // namespace tiercache::coherence
