// Which way of invalidation is tried, and what Redis's answers say about it. Pure; owned by the
// event link.
#pragma once

#include "tiercache/l2/events.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::l2 {

// Redis will say the same each time until somebody changes its configuration: the command is
// forbidden, renamed away or unknown there. As opposed to -LOADING, -BUSY and the like.
bool refused_for_good(std::string_view error) noexcept;

// The PREFIX arguments of CLIENT TRACKING; empty: every key. The canary has to be heard, too, so
// that it gets one of its own where none covers it. `canary_key` is empty if there is none.
std::vector<std::string> tracked_prefixes(const std::vector<std::string>& wanted,
                                          const std::string& canary_key);

// The transports, best first. An attempt that finds its own not to work steps down; a link that
// was lost begins at the top again, since Redis may have been set up better meanwhile.
class Ladder {
 public:
  // REQUIRES: not empty.
  explicit Ladder(std::vector<Transport> best_first) : all_(std::move(best_first)) {
  }

  Transport current() const noexcept {
    return all_[at_];
  }
  // False: there is nothing below.
  bool step_down(std::string_view why);
  void restart() noexcept {
    at_ = 0;
    reasons_.clear();
  }
  // Why the current one is not the best: "keyspace: -NOPERM ...; tracking: ...". Empty if it is.
  const std::string& reasons() const noexcept {
    return reasons_;
  }

 private:
  std::vector<Transport> all_;
  std::size_t at_ = 0;
  std::string reasons_;
};

}  // namespace tiercache::l2
