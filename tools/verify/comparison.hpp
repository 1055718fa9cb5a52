// When the writers have stopped and max_staleness has passed: every key is read directly, and twice
// through each proxy, byte for byte equal; no acknowledged write is missing; the WATCH counters add
// up. And the tidying up after a run.
#pragma once

#include "run_state.hpp"
#include "tally.hpp"

namespace tiercache::verify {

void compare_all(RunState& run, Tally& tally);
void check_watch_counters(RunState& run, Tally& tally);
void remove_keys(RunState& run);

}  // namespace tiercache::verify
