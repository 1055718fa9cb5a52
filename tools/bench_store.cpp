// What the L1 store costs: time per operation under an uncontended tiercache::Mutex with uniformly
// drawn 16-byte keys and 64-byte values, hash of the key included, and memory per entry by RSS.
//
//   bench_store                    everything
//   bench_store --benchmark_filter=get
//
// The counter `overhead` of `memory` is RSS growth per entry beyond the bytes of key and value.

#include "tiercache/base/hash.hpp"
#include "tiercache/base/mutex.hpp"
#include "tiercache/l1/store.hpp"

#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <unistd.h>

using namespace tiercache;
using namespace tiercache::l1;

namespace {

constexpr std::size_t kNoLimit = std::size_t{1} << 40;
constexpr Variant kGet{1, 0, {}};
constexpr Time kNow{Duration(1)};
const KeyHasher hasher{0x5eed};

using KeyBytes = std::array<char, 16>;

KeyBytes key_bytes(std::uint64_t n) {
  const std::uint64_t words[2] = {n, n * 0x9e3779b97f4a7c15U};
  KeyBytes bytes;
  std::memcpy(bytes.data(), words, sizeof words);
  return bytes;
}

Key key_of(const KeyBytes& bytes) {
  const std::string_view view(bytes.data(), bytes.size());
  return {hasher(0, view), 0, view};
}

std::uint64_t next_random(std::uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

const Meta kMeta{kNow + std::chrono::hours(1), 1, 0, false, Ttl::exact, false};

void put(Store& store, std::uint64_t n, std::string_view value) {
  const KeyBytes bytes = key_bytes(n);
  store.put(key_of(bytes), kGet, value, kMeta, kNow, 1);
}

struct Fixture {
  explicit Fixture(std::size_t keys, std::size_t max_entries = 0)
      : store({kNoLimit, max_entries, 64}) {
    for (std::size_t i = 0; i < keys; ++i) {
      put(store, i, value);
    }
  }

  const std::string value = std::string(64, 'v');
  Store store;
  Mutex mutex;
  std::uint64_t random = 88172645463325252U;
};

void get(benchmark::State& state) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  Fixture fixture(keys);
  char out[64];
  std::uint64_t hits = 0;
  for (auto _ : state) {
    const KeyBytes bytes = key_bytes(next_random(fixture.random) % keys);
    const Key key = key_of(bytes);
    const MutexLock lock(fixture.mutex);
    if (const Entry* entry = fixture.store.find(key, kGet, kNow, 1)) {
      std::memcpy(out, entry->reply().body().data(), sizeof out);
      ++hits;
    }
    benchmark::DoNotOptimize(out);
  }
  if (hits != static_cast<std::uint64_t>(state.iterations())) {
    state.SkipWithError("a key was missing");
  }
}

// What a pipelined batch does: all slots, then all entries, then the finds.
void get_batch_of_16(benchmark::State& state) {
  constexpr std::size_t kBatch = 16;
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  Fixture fixture(keys);
  char out[64];
  std::array<KeyBytes, kBatch> bytes;
  std::array<Key, kBatch> batch;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      bytes[i] = key_bytes(next_random(fixture.random) % keys);
      batch[i] = key_of(bytes[i]);
    }
    {
      const MutexLock lock(fixture.mutex);
      for (const Key& key : batch) {
        fixture.store.prefetch_slot(key.hash);
      }
      for (const Key& key : batch) {
        fixture.store.prefetch(key.hash);
      }
    }
    for (const Key& key : batch) {
      const MutexLock lock(fixture.mutex);
      const Entry* entry = fixture.store.find(key, kGet, kNow, 1);
      std::memcpy(out, entry->reply().body().data(), sizeof out);
      benchmark::DoNotOptimize(out);
    }
  }
  state.counters["per_key"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kBatch,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void overwrite(benchmark::State& state) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  Fixture fixture(keys);
  for (auto _ : state) {
    const KeyBytes bytes = key_bytes(next_random(fixture.random) % keys);
    const Key key = key_of(bytes);
    const MutexLock lock(fixture.mutex);
    benchmark::DoNotOptimize(fixture.store.put(key, kGet, fixture.value, kMeta, kNow, 1));
  }
}

void insert_evict(benchmark::State& state) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  Fixture fixture(keys, keys);
  std::uint64_t next = keys;
  for (auto _ : state) {
    const KeyBytes bytes = key_bytes(next++);
    const Key key = key_of(bytes);
    const MutexLock lock(fixture.mutex);
    benchmark::DoNotOptimize(fixture.store.put(key, kGet, fixture.value, kMeta, kNow, 1));
  }
}

// The arithmetic around the store: random number, key, hash, lock.
void empty_loop(benchmark::State& state) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  Fixture fixture(1);
  for (auto _ : state) {
    const KeyBytes bytes = key_bytes(next_random(fixture.random) % keys);
    const Key key = key_of(bytes);
    const MutexLock lock(fixture.mutex);
    benchmark::DoNotOptimize(key);
  }
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

void memory(benchmark::State& state) {
  constexpr std::size_t kEntries = 1000000;
  const auto value_size = static_cast<std::size_t>(state.range(0));
  const std::string value(value_size, 'v');
  for (auto _ : state) {
    const std::size_t before = resident_bytes();
    Store store({kNoLimit, 0, 64});
    for (std::size_t i = 0; i < kEntries; ++i) {
      put(store, i, value);
    }
    const double rss = static_cast<double>(resident_bytes() - before) / kEntries;
    state.counters["rss"] = rss;
    state.counters["overhead"] = rss - 16 - static_cast<double>(value_size);
    state.counters["accounted"] = static_cast<double>(store.bytes()) / kEntries;
  }
}

BENCHMARK(memory)->Arg(64)->Arg(512)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(empty_loop)->Arg(10000);
BENCHMARK(get)->Arg(10000)->Arg(1000000);
BENCHMARK(get_batch_of_16)->Arg(10000)->Arg(1000000);
BENCHMARK(overwrite)->Arg(10000)->Arg(1000000);
BENCHMARK(insert_evict)->Arg(10000)->Arg(1000000);

}  // namespace

BENCHMARK_MAIN();
