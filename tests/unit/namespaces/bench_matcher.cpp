// What finding a key's namespace costs: with 64 of them, their prefixes as people write them, and
// keys that belong to each of them or to none.
#include "tiercache/namespaces/matcher.hpp"

#include <string>
#include <vector>

#include <benchmark/benchmark.h>

using tiercache::namespaces::Matcher;

namespace {

constexpr const char* kWords[] = {"symbol", "account", "order",  "position", "price",   "session",
                                  "user",   "quote",   "book",   "history",  "feature", "provider",
                                  "limits", "margin",  "static", "api"};

// 64 of the form `word:part:*`, so that the tree branches twice.
std::vector<std::vector<std::string>> patterns() {
  std::vector<std::vector<std::string>> all;
  for (const char* word : kWords) {
    for (const char* part : {"cfg", "live", "eu", "us"}) {
      all.push_back({std::string(word) + ":" + part + ":*"});
    }
  }
  return all;
}

void find(benchmark::State& state) {
  const Matcher matcher(patterns());
  std::vector<std::string> keys;
  for (const auto& one : patterns()) {
    std::string key = one.front();
    key.back() = '4';
    keys.push_back(key + "2:EURUSD");
  }
  keys.push_back("nothing:of:these:42");
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(matcher.find(keys[next]));
    next = next + 7 < keys.size() ? next + 7 : next + 7 - keys.size();
  }
}
BENCHMARK(find);

}  // namespace

BENCHMARK_MAIN();
