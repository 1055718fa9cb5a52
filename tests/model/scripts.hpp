// What is explored: small scripts that between them use every operation, every fault and every
// rule; and the mutants, each with a script that is known to show why its rule exists.
#pragma once

#include "explore.hpp"

#include "tiercache/base/result.hpp"

#include <string>
#include <vector>

namespace model {

// The scripts with all rules on. `deep`: only in the long form (minutes).
struct Case {
  Script script;
  bool deep = false;
};
std::vector<Case> cases();

// One rule off.
struct Mutant {
  const char* rule;
  Script script;
  Found (*explore)(const Script&, std::uint64_t max_states);
};
std::vector<Mutant> mutants();

// Parts of mutants(), in files of their own because each is a build of the whole world.
std::vector<Mutant> mutants_of_fills();
std::vector<Mutant> mutants_of_reads();
std::vector<Mutant> mutants_of_writes();
std::vector<Mutant> mutants_of_links();

// "RW|RR d2": sessions, then faults and circumstances, a letter each:
//   d direct write of a, D of both, f direct FLUSHALL, e event link breaks, l data link breaks,
//   2 or 3 operations outstanding, 1 one link for all, t BCAST tracking, a no events, z
//   max_staleness = 0, S coherence = "session", c one stripe, T time passes and a
//   expires, s time passes and max_staleness is one step of it, p the PTTL of a read is executed
//   apart from it, m failover: the data links stay with the old server, n notifications are
//   switched off, x direct SWAPDB (with n and x a canary is sent once)
//
// Bytes from the command line: says what is wrong with them.
Result<Script> parse_script(const std::string& text);
// REQUIRES: the text is right.
Script script(const std::string& text);

}  // namespace model
