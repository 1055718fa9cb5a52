// A sanitizer's build has no mutants: it is about the memory of what is tested, and would take
// minutes for each.
#include "scripts.hpp"

namespace model {

std::vector<Mutant> mutants_of_fills() {
  return {};
}
std::vector<Mutant> mutants_of_reads() {
  return {};
}
std::vector<Mutant> mutants_of_writes() {
  return {};
}
std::vector<Mutant> mutants_of_links() {
  return {};
}

}  // namespace model
