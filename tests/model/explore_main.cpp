// Test T0: explores the coherence classes. Prints a table and fails if a promise is broken with
// all rules on, or if a mutant survives.
//
//   explore [--long] [--jobs N] [--only cases|mutants] [--table FILE]
//   explore --case "RW|RR d2" [--without RULE]
//
// Exit status: 0 every promise held and every mutant was killed, 1 not so, 2 a command line that
// makes no sense. FILE gets a line a mutant: rule, script, violation, steps, between tabs.
#include "scripts.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>
#include <string_view>
#include <thread>

namespace {

constexpr std::uint64_t kMaxStates = 100'000'000;

constexpr const char* kUsage =
    R"(Explores the coherence classes: every order of every step, each distinct state once.

usage: explore [--long] [--jobs N] [--only cases|mutants] [--table FILE]
       explore --case SCRIPT [--without RULE]

A script: sessions, joined by |, then a blank and faults and circumstances, a letter each; "RW|RR d2"
  operations     R r read a, b; Q another read of a; M both; P past L1; W w N write a, b, both;
                 L script that writes a undeclared; F FLUSHALL; X WATCH; E EXEC; U UNWATCH;
                 B blocking write (E, U, B after an X)
  faults         d D direct write of a, of both; f direct FLUSHALL; e l event, data link breaks;
                 m failover; n notifications off; x SWAPDB
  circumstances  2 3 operations outstanding; 1 one link for all; t tracking; a no events;
                 z max_staleness = 0; s max_staleness = one step of time; T a expires;
                 p PTTL apart; S coherence = "session"; c one stripe
)";

void print_trace(const model::Found& found) {
  for (std::size_t i = 0; i < found.trace.size(); i++) {
    std::printf("      %2zu. %s\n", i + 1, found.trace[i].c_str());
  }
}

// Runs job(0..count-1) on `jobs` threads.
template <class Job>
void run(std::size_t count, unsigned jobs, Job&& job) {
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < jobs; i++) {
    threads.emplace_back([&] {
      for (std::size_t at = next++; at < count; at = next++) {
        job(at);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

// With all rules on, or without one of them.
int explore_one(const char* text, std::string_view without) {
  auto* explore = &model::explore<tiercache::coherence::Rules{}>;
  if (!without.empty()) {
    const std::vector<model::Mutant> mutants = model::mutants();
    const auto mutant = std::find_if(mutants.begin(), mutants.end(),
                                     [&](const model::Mutant& one) { return one.rule == without; });
    if (mutant == mutants.end()) {
      std::fprintf(stderr, "explore: no rule is called %.*s; coherence/rules.hpp lists them\n",
                   static_cast<int>(without.size()), without.data());
      return 2;
    }
    explore = mutant->explore;
  }
  const auto script = model::parse_script(text);
  if (!script) {
    std::fprintf(stderr, "explore: \"%s\": %s; see explore --help\n", text,
                 script.error().detail.c_str());
    return 2;
  }
  const model::Found found = explore(script.value(), kMaxStates);
  std::printf("%s: %llu states, %s\n", text, static_cast<unsigned long long>(found.states),
              found.violation.empty() ? "no violation" : found.violation.c_str());
  print_trace(found);
  return found.violation.empty() ? 0 : 1;
}

struct Options {
  bool deep = false;
  bool cases = true;
  bool mutants = true;
  unsigned jobs = 1;
  const char* table = nullptr;
};

// Returns how many scripts broke a promise.
unsigned explore_cases(const Options& options) {
  std::vector<model::Case> cases = model::cases();
  if (!options.deep) {
    std::erase_if(cases, [](const model::Case& one) { return one.deep; });
  }
  std::mutex output;
  std::uint64_t states = 0;
  unsigned failures = 0;
  std::printf("all rules on, every interleaving:\n");
  run(cases.size(), options.jobs, [&](std::size_t i) {
    const model::Found found =
        model::explore<tiercache::coherence::Rules{}>(cases[i].script, kMaxStates);
    const std::lock_guard lock(output);
    states += found.states;
    std::printf("  %-16s %10llu states  %s\n", cases[i].script.name.c_str(),
                static_cast<unsigned long long>(found.states),
                !found.violation.empty() ? found.violation.c_str()
                : found.complete         ? "ok"
                                         : "ok as far as explored");
    if (!found.violation.empty()) {
      failures++;
      print_trace(found);
    }
    std::fflush(stdout);
  });
  std::printf("%llu distinct states in %zu scripts, %u violations\n\n",
              static_cast<unsigned long long>(states), cases.size(), failures);
  return failures;
}

// Returns how many mutants survived, rules without a mutant among them.
unsigned explore_mutants(const Options& options) {
  const std::vector<model::Mutant> mutants = model::mutants();
  std::vector<model::Found> found(mutants.size());
  run(mutants.size(), options.jobs,
      [&](std::size_t i) { found[i] = mutants[i].explore(mutants[i].script, kMaxStates); });
  std::FILE* const table = options.table == nullptr ? nullptr : std::fopen(options.table, "w");
  if (options.table != nullptr && table == nullptr) {
    std::fprintf(stderr, "explore: cannot write %s\n", options.table);
    return 1;
  }
  unsigned survivors = 0;
  std::set<std::string_view> rules;
  std::printf("one rule off:\n");
  for (std::size_t i = 0; i < mutants.size(); i++) {
    const char* const script = mutants[i].script.name.c_str();
    rules.insert(mutants[i].rule);
    if (found[i].violation.empty()) {
      survivors++;
      std::printf("  %-24s %-12s SURVIVES\n", mutants[i].rule, script);
    } else {
      std::printf("  %-24s %-12s %-20s trace of %zu steps\n", mutants[i].rule, script,
                  found[i].violation.c_str(), found[i].trace.size());
    }
    if (table != nullptr) {
      std::fprintf(table, "%s\t%s\t%s\t%zu\n", mutants[i].rule, script,
                   found[i].violation.empty() ? "-" : found[i].violation.c_str(),
                   found[i].trace.size());
    }
    if (options.deep) {
      print_trace(found[i]);
    }
  }
  if (table != nullptr) {
    std::fclose(table);
  }
  // Rules are bools and nothing else, so their number is their size.
  static_assert(sizeof(bool) == 1);
  constexpr std::size_t kRules = sizeof(tiercache::coherence::Rules);
  std::printf("%zu rules, %zu of them with a mutant, %u survive\n", kRules, rules.size(),
              survivors);
  return survivors + static_cast<unsigned>(kRules - std::min(kRules, rules.size()));
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; i++) {
    const std::string_view name = argv[i];
    if (name == "--long") {
      options.deep = true;
      continue;
    }
    if (i + 1 == argc) {
      return false;
    }
    const std::string_view value = argv[++i];
    if (name == "--jobs") {
      options.jobs = static_cast<unsigned>(std::clamp(std::atoi(argv[i]), 1, 64));
    } else if (name == "--table") {
      options.table = argv[i];
    } else if (name == "--only" && (value == "cases" || value == "mutants")) {
      options.cases = value == "cases";
      options.mutants = value == "mutants";
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--case") {
    return explore_one(argv[2], {});
  }
  if (argc == 5 && std::string_view(argv[1]) == "--case" &&
      std::string_view(argv[3]) == "--without") {
    return explore_one(argv[2], argv[4]);
  }
  if (argc == 2 && std::string_view(argv[1]) == "--help") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  Options options;
  if (!parse(argc, argv, options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  unsigned failures = 0;
  if (options.cases) {
    failures += explore_cases(options);
  }
  if (options.mutants) {
    failures += explore_mutants(options);
  }
  return failures == 0 ? 0 : 1;
}
