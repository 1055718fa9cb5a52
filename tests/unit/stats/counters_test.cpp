#include "tiercache/stats/counters.hpp"

#include <set>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache::stats;

TEST_CASE("every counter has a name of its own") {
  std::set<std::string_view> names;
  for (const CounterName& entry : kCounterNames) {
    CHECK(name_of(entry.counter) == entry.name);
    names.insert(entry.name);
  }
  CHECK(names.size() == kCounters);
  CHECK(name_of(Counter::l1_hits) == "l1_hits");
  CHECK(name_of(Counter::clients_closed_output_limit) == "clients_closed_output_limit");
  CHECK(name_of(Counter::generation_bumps) == "generation_bumps");
}

TEST_CASE("blocks of two threads share no cache line") {
  constexpr std::uintptr_t kLine = 64;
  Registry registry;
  std::set<std::uintptr_t> lines;
  for (int i = 0; i < 20; i++) {
    const auto begin = reinterpret_cast<std::uintptr_t>(&registry.add_thread());
    const std::uintptr_t end = begin + kCounters * sizeof(std::uint64_t);  // what is written
    for (std::uintptr_t line = begin / kLine; line <= (end - 1) / kLine; line++) {
      CHECK(lines.insert(line).second);
    }
  }
}

TEST_CASE("sums cover all threads, finished ones too, and never run backwards") {
  constexpr int kThreads = 4;
  constexpr std::uint64_t kEach = 50000;
  Registry registry;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&registry] {
      Counters& mine = registry.add_thread();
      for (std::uint64_t n = 0; n < kEach; ++n) {
        mine.add(Counter::l1_hits);
        mine.add(Counter::bytes_in, 3);
      }
    });
  }
  std::uint64_t last = 0;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t now = registry.sum()[static_cast<std::size_t>(Counter::l1_hits)];
    CHECK(now >= last);
    last = now;
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  const Sums sums = registry.sum();
  CHECK(sums[static_cast<std::size_t>(Counter::l1_hits)] == kThreads * kEach);
  CHECK(sums[static_cast<std::size_t>(Counter::bytes_in)] == 3 * kThreads * kEach);
  CHECK(sums[static_cast<std::size_t>(Counter::l1_misses)] == 0);
}
