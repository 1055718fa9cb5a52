// The records of a shard's last transitions, alone and as a cache makes them.
#include "tiercache/coherence/trace.hpp"

#include "tiercache/coherence/cache.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using namespace tiercache::coherence;

namespace {

TraceRecord record(KeyHash hash, std::uint32_t epoch) {
  return {hash, Time(1s), 1, epoch, 1, Transition::event};
}

std::vector<std::uint32_t> epochs(const Trace& trace, KeyHash hash) {
  std::vector<std::uint32_t> found;
  trace.for_each(hash, [&](const TraceRecord& one) { found.push_back(one.epoch); });
  return found;
}

using Epochs = std::vector<std::uint32_t>;

struct Bench {
  explicit Bench(std::size_t records) : cache(config(records)) {
    cache.status().set_state(LinkState::live);
    cache.status().set_sent(20);
    cache.status().set_acked(10, Time(9s));
  }
  static CacheConfig config(std::size_t records) {
    CacheConfig config;
    config.shard.limits.max_bytes = std::size_t{1} << 20;
    config.shard.trace = records;
    return config;
  }
  FlightId send() {
    return cache.begin_fill(key, {1, 0, {}}, {1, 1, 0}, Time(10s));
  }
  void fill(FlightId flight) {
    Fill with;
    with.reply = "$1\r\nv\r\n";
    Waiters waiters;
    cache.reply(key.hash, flight, with, Time(11s), waiters);
  }
  std::vector<std::string> transitions() {
    std::vector<std::string> found;
    cache.with_shard(0, [&](Shard& shard) {
      shard.trace().for_each(key.hash, [&](const TraceRecord& one) {
        found.push_back(std::string(name(one.what)) + " " +
                        std::to_string(one.at.time_since_epoch() / 1s));
        CHECK(one.ping == 20);
      });
    });
    return found;
  }

  BasicCache<> cache;
  const l1::Key key{cache.hash(0, "k"), 0, "k"};
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a trace keeps the last few records of a key, the oldest first") {
  Trace trace;
  CHECK_FALSE(trace.on());
  CHECK(epochs(trace, 1).empty());
  trace.resize(1);
  for (std::uint32_t i = 1; i <= 300; i++) {
    trace.add(record(1, i));
  }
  CHECK(epochs(trace, 1) == Epochs{293, 294, 295, 296, 297, 298, 299, 300});
  trace.add(record(2, 1));
  CHECK(epochs(trace, 1).front() == 294);
  CHECK(epochs(trace, 2) == Epochs{1});
  CHECK(epochs(trace, 0).empty());
}

TEST_CASE("a key that changes all the time does not displace the records of the others") {
  Trace trace;
  trace.resize(64);
  trace.add(record(KeyHash{1} << 16, 1));
  for (std::uint32_t i = 0; i < 1000; i++) {
    trace.add(record(KeyHash{2} << 16, i));
  }
  CHECK(epochs(trace, KeyHash{1} << 16) == Epochs{1});
}

TEST_CASE("a trace that changes its size forgets, one that keeps it does not") {
  Trace trace;
  trace.resize(64);
  trace.add(record(1, 1));
  trace.resize(60);
  CHECK(epochs(trace, 1) == Epochs{1});
  trace.resize(1024);
  CHECK(epochs(trace, 1).empty());
  trace.resize(0);
  CHECK_FALSE(trace.on());
}

TEST_CASE("a cache records what happens to its keys") {
  Bench bench(64);
  bench.fill(bench.send());
  bench.cache.event(bench.key.hash);
  CHECK(bench.transitions() == Names{"begun 10", "committed 11", "event 9"});
  const FlightId refused = bench.send();
  bench.cache.write_begin(bench.key.hash);
  bench.fill(refused);
  bench.cache.write_end(bench.key.hash);
  bench.cache.pass_read(bench.key.hash);
  CHECK(bench.transitions() == Names{"begun 10", "committed 11", "event 9", "begun 10",
                                     "write_sent 9", "refused 11", "write_answered 9",
                                     "passed_read 9"});
}

TEST_CASE("a cache without a trace records nothing") {
  Bench bench(0);
  bench.fill(bench.send());
  bench.cache.event(bench.key.hash);
  CHECK(bench.transitions().empty());
}
