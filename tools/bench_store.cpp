// What the L1 store costs: time per operation under an uncontended tiercache::Mutex with uniformly
// drawn 16-byte keys and 64-byte values (kept as bulk strings, as Redis sends them), hash of the
// key included, and memory per entry by RSS.
//
//   bench_store                    everything
//   bench_store --benchmark_filter=get
//
// get copies the value, get_reply appends the whole reply to a string. The arguments of those are
// the number of keys and the policy: 0 lru, 1 s3fifo, 2 tinylfu. get_threads shares one store, or
// sixteen, among 1 to 8 threads. The counter `overhead` of `memory` is RSS growth per entry beyond
// the bytes of key and value; run it alone, one size at a time, since RSS does not shrink:
// --benchmark_filter=memory/512

#include "tiercache/base/hash.hpp"
#include "tiercache/base/mutex.hpp"
#include "tiercache/l1/store.hpp"

#include <array>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
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

std::string bulk(std::size_t size) {
  return "$" + std::to_string(size) + "\r\n" + std::string(size, 'v') + "\r\n";
}

struct Fixture {
  explicit Fixture(std::size_t keys, Eviction eviction = Eviction::lru, std::size_t max_entries = 0)
      : store({kNoLimit, max_entries, 64}, eviction) {
    for (std::size_t i = 0; i < keys; ++i) {
      put(store, i, value);
    }
  }

  const std::string value = bulk(64);
  Store store;
  Mutex mutex;
  std::uint64_t random = 88172645463325252U;
};

Eviction policy_of(const benchmark::State& state) {
  return static_cast<Eviction>(state.range(1));
}

void get(benchmark::State& state) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  Fixture fixture(keys, policy_of(state));
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

void get_reply(benchmark::State& state) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  Fixture fixture(keys, policy_of(state));
  std::string out;
  for (auto _ : state) {
    const KeyBytes bytes = key_bytes(next_random(fixture.random) % keys);
    const Key key = key_of(bytes);
    out.clear();
    const MutexLock lock(fixture.mutex);
    fixture.store.find(key, kGet, kNow, 1)->reply().append_to(out);
    benchmark::DoNotOptimize(out.data());
  }
}

// Threads that read the same keys, in one store or in sixteen.
constexpr std::uint64_t kSharedKeys = 100000;
std::vector<std::unique_ptr<Fixture>> shared_stores;

void fill_shared_stores(const benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  for (std::size_t i = 0; i < count; ++i) {
    shared_stores.push_back(std::make_unique<Fixture>(0));
  }
  for (std::uint64_t n = 0; n < kSharedKeys; ++n) {
    const KeyBytes bytes = key_bytes(n);
    Fixture& at = *shared_stores[key_of(bytes).hash >> 32 & (count - 1)];
    put(at.store, n, at.value);
  }
}

void free_shared_stores(const benchmark::State&) {
  shared_stores.clear();
}

void get_threads(benchmark::State& state) {
  const auto mask = static_cast<std::size_t>(state.range(0) - 1);
  std::uint64_t random = 88172645463325252U + static_cast<std::uint64_t>(state.thread_index());
  char out[64];
  for (auto _ : state) {
    const KeyBytes bytes = key_bytes(next_random(random) % kSharedKeys);
    const Key key = key_of(bytes);
    Fixture& at = *shared_stores[key.hash >> 32 & mask];
    const MutexLock lock(at.mutex);
    const Entry* entry = at.store.find(key, kGet, kNow, 1);
    std::memcpy(out, entry->reply().body().data(), sizeof out);
    benchmark::DoNotOptimize(out);
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
  Fixture fixture(keys, policy_of(state), keys);
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

// One read of memory that waits for the one before, in as much memory as a store of so many keys
// takes: the measure for the machine's part in a get, which is two of them (slot, then entry).
void dependent_read(benchmark::State& state) {
  constexpr std::size_t kBytesPerKey = 128;
  std::vector<char> memory(static_cast<std::size_t>(state.range(0)) * kBytesPerKey, 1);
  std::uint64_t random = 88172645463325252U;
  std::size_t at = 0;
  for (auto _ : state) {
    at = (next_random(random) + static_cast<std::size_t>(memory[at])) % memory.size();
    benchmark::DoNotOptimize(at);
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
  const std::string value = bulk(value_size);
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
BENCHMARK(dependent_read)->Arg(10000)->Arg(1000000);
BENCHMARK(empty_loop)->Arg(10000);
BENCHMARK(get)->ArgsProduct({{10000, 1000000}, {0, 1, 2}});
BENCHMARK(get_reply)->ArgsProduct({{10000, 1000000}, {0}});
BENCHMARK(get_batch_of_16)->Arg(10000)->Arg(1000000);
BENCHMARK(overwrite)->Arg(10000)->Arg(1000000);
BENCHMARK(insert_evict)->ArgsProduct({{10000, 1000000}, {0, 1, 2}});
BENCHMARK(get_threads)
    ->Arg(1)
    ->Arg(16)
    ->Setup(fill_shared_stores)
    ->Teardown(free_shared_stores)
    ->ThreadRange(1, 8);

// glibc leaves the atomics out of a mutex while a process has one thread; the product never has.
const std::jthread company([](const std::stop_token& stop) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait(lock, stop, [] { return false; });
});

}  // namespace

BENCHMARK_MAIN();
