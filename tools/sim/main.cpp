// tiercache-sim: what a trace of reads would hit in L1. See options.cpp for its use.
#include "options.hpp"
#include "simulate.hpp"
#include "trace.hpp"

#include <chrono>
#include <cstdio>
#include <string_view>
#include <vector>

using namespace tiercache;

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  const auto options = sim::parse_options(words);
  if (!options) {
    std::fprintf(stderr, "tiercache-sim: %s\n", options.error().detail.c_str());
    return 2;
  }
  if (options.value().help) {
    std::fwrite(sim::kUsage.data(), 1, sim::kUsage.size(), stdout);
    return 0;
  }
  const sim::Setup& setup = options.value().setup;
  const auto trace = sim::read_trace(options.value().trace);
  if (!trace) {
    std::fprintf(stderr, "tiercache-sim: %s\n", trace.error().detail.c_str());
    return 1;
  }
  const auto start = std::chrono::steady_clock::now();
  const sim::Outcome outcome = sim::simulate(setup, trace.value());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const std::size_t requests = trace.value().size();
  const double ratio =
      requests == 0 ? 0 : static_cast<double>(outcome.hits) / static_cast<double>(requests);
  std::printf("policy %.*s\n", static_cast<int>(sim::name_of(setup.policy).size()),
              sim::name_of(setup.policy).data());
  std::printf("entries %zu\n", setup.entries);
  std::printf("shards %zu\n", outcome.shards);
  std::printf("requests %zu\n", requests);
  std::printf("hits %llu\n", static_cast<unsigned long long>(outcome.hits));
  std::printf("evictions %llu\n", static_cast<unsigned long long>(outcome.evictions));
  std::printf("expired %llu\n", static_cast<unsigned long long>(outcome.expired));
  std::printf("seconds %.3f\n", took.count());
  std::printf("hit_ratio %.6f\n", ratio);
  return 0;
}
