// When the writers have stopped and max_staleness has passed: every key is read directly, and twice
// through each proxy, byte for byte equal; no acknowledged write is missing; the WATCH counters add
// up. The same for names that their keys have left because Redis lost its data. And the tidying up
// after a run.
#pragma once

#include "run_state.hpp"
#include "tally.hpp"

#include <vector>

namespace tiercache::verify {

// Gives the peers that did not answer.
std::vector<Lane> compare_all(RunState& run, Tally& tally);

// A key under the name that it had in an incarnation.
struct OldName {
  KeyId key;
  Version incarnation;
};
// Those of `names` that some proxy answers otherwise than Redis; all of them if a peer is silent.
// With `Blame::yes` each is a violation.
enum class Blame : std::uint8_t { no, yes };
std::vector<OldName> find_leftovers(RunState& run, Tally& tally, const std::vector<OldName>& names,
                                    Blame blame);

void check_watch_counters(RunState& run, Tally& tally);
void remove_keys(RunState& run);

}  // namespace tiercache::verify
