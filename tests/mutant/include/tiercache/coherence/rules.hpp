// The rules of the coherence protocol for the one program of tests/mutant, in place of the header
// of the same name that the product is built with: each switch is read once, at the start, from
// MUTANT_RULES_OFF, the names of rules between commas. So one build of the proxy is every
// mutant. Still a structural type: all Rules are equal, and what differs is static.
#pragma once

#include <cstdlib>
#include <string_view>

namespace tiercache::coherence {

// Whether the rule is on. Any thread.
inline bool rule_is_on(std::string_view name) {
  const char* const off = std::getenv("MUTANT_RULES_OFF");
  std::string_view rest = off == nullptr ? "" : off;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    if (rest.substr(0, comma) == name) {
      return false;
    }
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
  }
  return true;
}

#define TIERCACHE_RULE(name) static inline const bool name = rule_is_on(#name)

struct Rules {
  TIERCACHE_RULE(flight_identity);
  TIERCACHE_RULE(epoch_join);
  TIERCACHE_RULE(bound_join);
  TIERCACHE_RULE(drop_uncommitted);
  TIERCACHE_RULE(fence_other_links);
  TIERCACHE_RULE(same_source);
  TIERCACHE_RULE(ttl_from_send);
  TIERCACHE_RULE(pttl_agrees);
  TIERCACHE_RULE(age_cap);
  TIERCACHE_RULE(live_only);
  TIERCACHE_RULE(bound_staleness);
  TIERCACHE_RULE(fence_each_hit);
  TIERCACHE_RULE(check_generation);
  TIERCACHE_RULE(expire_entries);
  TIERCACHE_RULE(undivided_multi);
  TIERCACHE_RULE(whole_multi);
  TIERCACHE_RULE(drop_pass_read);
  TIERCACHE_RULE(no_hit_past_read);
  TIERCACHE_RULE(stall_on_foreign_join);
  TIERCACHE_RULE(watch_bypasses);
  TIERCACHE_RULE(drain_before_move);
  TIERCACHE_RULE(bar_at_send);
  TIERCACHE_RULE(bar_at_reply);
  TIERCACHE_RULE(bar_blocking_reply);
  TIERCACHE_RULE(hold_scripts);
  TIERCACHE_RULE(session_fence);
  TIERCACHE_RULE(no_hit_past_wide_write);
  TIERCACHE_RULE(flush_at_reply);
  TIERCACHE_RULE(apply_events);
  TIERCACHE_RULE(two_pings);
  TIERCACHE_RULE(flush_at_loss);
  TIERCACHE_RULE(flush_at_subscribe);
  TIERCACHE_RULE(flush_at_release);
  TIERCACHE_RULE(flush_on_null);
  TIERCACHE_RULE(canary_heard);
  TIERCACHE_RULE(canary_surprise);
};

#undef TIERCACHE_RULE

}  // namespace tiercache::coherence
