// Test T0: explores the coherence classes. Prints a table and fails if a promise is broken with
// all rules on, or if a mutant survives.
//
//   explore [--long] [--jobs N] [--case "RW|RR d2"]
#include "scripts.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

namespace {

constexpr std::uint64_t kMaxStates = 100'000'000;

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

int explore_one(const char* text) {
  const model::Found found =
      model::explore<tiercache::coherence::Rules{}>(model::script(text), kMaxStates);
  std::printf("%s: %llu states, %s\n", text, static_cast<unsigned long long>(found.states),
              found.violation.empty() ? "no violation" : found.violation.c_str());
  print_trace(found);
  return found.violation.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  bool deep = false;
  unsigned jobs = 1;
  for (int i = 1; i < argc; i++) {
    if (std::strcmp(argv[i], "--long") == 0) {
      deep = true;
    } else if (std::strcmp(argv[i], "--jobs") == 0 && i + 1 < argc) {
      jobs = static_cast<unsigned>(std::max(1, std::atoi(argv[++i])));
    } else if (std::strcmp(argv[i], "--case") == 0 && i + 1 < argc) {
      return explore_one(argv[++i]);
    } else {
      std::fprintf(stderr, "usage: explore [--long] [--jobs N] [--case \"RW|RR d2\"]\n");
      return 2;
    }
  }

  std::mutex output;
  std::atomic<std::uint64_t> states{0};
  std::atomic<unsigned> failures{0};

  std::vector<model::Case> cases = model::cases();
  if (!deep) {
    std::erase_if(cases, [](const model::Case& one) { return one.deep; });
  }
  std::printf("all rules on, every interleaving:\n");
  run(cases.size(), jobs, [&](std::size_t i) {
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
              static_cast<unsigned long long>(states.load()), cases.size(), failures.load());

  std::printf("one rule off:\n");
  const std::vector<model::Mutant> mutants = model::mutants();
  run(mutants.size(), jobs, [&](std::size_t i) {
    const model::Found found = mutants[i].explore(mutants[i].script, kMaxStates);
    const std::lock_guard lock(output);
    if (found.violation.empty()) {
      failures++;
      std::printf("  %-24s %-12s SURVIVES\n", mutants[i].rule, mutants[i].script.name.c_str());
    } else {
      std::printf("  %-24s %-12s %-16s trace of %zu steps\n", mutants[i].rule,
                  mutants[i].script.name.c_str(), found.violation.c_str(), found.trace.size());
    }
    if (deep) {
      print_trace(found);
    }
    std::fflush(stdout);
  });
  std::printf("%zu mutants\n", mutants.size());
  return failures == 0 ? 0 : 1;
}
