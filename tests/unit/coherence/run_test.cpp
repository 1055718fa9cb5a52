// A run of reads answers what the reads would answer one by one.
#include "tiercache/coherence/run.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::coherence {

using namespace std::chrono_literals;

namespace {

constexpr l1::Variant kVariant{1, 0, {}};
constexpr Time kNow = Time(100s);

CacheConfig config() {
  CacheConfig config;
  config.shard.limits.max_bytes = std::size_t{1} << 24;
  config.shards = 4;
  return config;
}

void go_live(Cache& cache, Time acked_at) {
  cache.status().set_state(LinkState::live);
  cache.status().set_source(1);
  cache.status().set_sent(7);
  cache.status().set_acked(5, acked_at);
}

void fill(Cache& cache, const std::string& name, std::size_t size, Time at, std::int64_t pttl) {
  const l1::Key key{cache.hash(0, name), 0, name};
  const FlightId flight = cache.begin_fill(key, kVariant, {1, 1, 1}, at);
  const std::string reply =
      "$" + std::to_string(size) + "\r\n" + std::string(size, name.back()) + "\r\n";
  Fill fill;
  fill.reply = reply;
  fill.pttl_ms = pttl;
  fill.source = 1;
  Waiters waiters;
  CHECK(cache.reply(key.hash, flight, fill, at, waiters));
}

// Entries of all states: of an older generation, expired, fenced, fresh; and some keys have none.
void populate(Cache& cache, const std::vector<std::string>& names, std::mt19937& random) {
  for (const bool old : {true, false}) {
    for (const std::string& name : names) {
      switch (random() % (old ? 8 : 4)) {
        case 0:
          fill(cache, name, random() % 300, Time(90s), 1);
          break;
        case 1:
          fill(cache, name, 3, kNow, -1);
          fill(cache, name, random() % 300, kNow, -1);  // fences what is there, and itself is not
          break;
        case 2:
          fill(cache, name, random() % 300, kNow, -1);
          break;
        default:
          break;
      }
    }
    if (old && random() % 2 == 0) {
      cache.status().bump_generation();
    }
  }
}

std::vector<RunSide> sides_of(std::vector<Cache>& caches) {
  std::vector<RunSide> sides;
  for (Cache& cache : caches) {
    sides.push_back({&cache, cache.status().view()});
  }
  return sides;
}

std::size_t one_by_one(std::vector<Cache>& caches, ReadAsk ask, const std::vector<RunKey>& keys,
                       const auto& take) {
  std::size_t done = 0;
  for (const RunKey& key : keys) {
    ask.key.hash = key.hash;
    ask.key.bytes = key.bytes;
    ask.reach = key.reach;
    ask.max_staleness = key.max_staleness;
    bool taken = false;
    const ReadOutcome outcome =
        caches[key.side].probe(ask, kNow, [&](const l1::Entry& entry) { taken = take(entry); });
    if (outcome.kind != ReadOutcome::Kind::hit || !taken) {
      break;
    }
    ++done;
  }
  return done;
}

}  // namespace

TEST_CASE("a run of reads ends where one of them alone would not be a hit") {
  std::mt19937 random(20240607);
  std::array<std::size_t, kMostInRun + 1> ended{};
  for (int round = 0; round < 3000; ++round) {
    // Over a Cluster each node's keys have a cache of their own.
    std::vector<Cache> caches(random() % 2 == 0 ? 1 : 3, Cache(config()));
    std::vector<std::string> names;
    for (unsigned i = 0; i < 12; ++i) {
      names.push_back("key" + std::to_string(i));
    }
    const bool mixed = random() % 4 == 0;
    for (Cache& cache : caches) {
      go_live(cache, kNow - (random() % 16 == 0 ? 5s : 0s));
      if (mixed) {
        populate(cache, names, random);
      } else {
        std::ranges::for_each(
            names, [&](const std::string& name) { fill(cache, name, random() % 300, kNow, -1); });
      }
      if (random() % 2 == 0) {
        cache.status().set_acked(7, kNow);
      }
    }
    std::vector<RunKey> keys(1 + random() % kMostInRun);
    for (RunKey& key : keys) {
      const std::string& name = names[random() % names.size()];
      key.bytes = name;
      key.side = static_cast<std::uint32_t>(random() % caches.size());
      key.hash = caches[key.side].hash(0, name);
      if (random() % 64 == 0) {
        key.reach = {random() % 2 == 0 ? Look::own : Look::none};
      }
      if (random() % 64 == 0) {
        key.max_staleness = random() % 2 == 0 ? Duration::zero() : Duration(1ms);
      }
    }
    ReadAsk same;
    same.key.db = 0;
    same.answers = {&kVariant, 1};
    const std::size_t room = random() % 4 == 0 ? random() % 1000 : 1'000'000;
    const auto take_into = [room](std::string& into) {
      return [&into, room](const l1::Entry& entry) {
        if (into.size() > room) {
          return false;
        }
        entry.reply().append_to(into);
        return true;
      };
    };
    std::vector<Cache> others = caches;
    std::string expected;
    const std::size_t alone = one_by_one(others, same, keys, take_into(expected));
    const std::vector<RunSide> sides = sides_of(caches);
    prefetch(std::span(sides), std::span<const RunKey>(keys));
    std::string got;
    const std::size_t together = read_run(std::span(sides), same, keys, kNow, take_into(got));
    CHECK(together == alone);
    CHECK(got == expected);
    for (std::size_t i = 0; i < caches.size(); ++i) {
      CHECK(caches[i].totals().entries == others[i].totals().entries);
    }
    ++ended[together];
  }
  // All of it was seen.
  CHECK(std::ranges::count(ended, 0U) == 0);
}

TEST_CASE("what a run will look at is loaded ahead, however much lies there") {
  Cache cache(config());
  go_live(cache, kNow);
  std::vector<std::string> names;
  for (unsigned i = 0; i < 20'000; ++i) {
    names.push_back("key" + std::to_string(i));
    fill(cache, names.back(), 64, kNow, -1);
  }
  cache.status().set_acked(7, kNow);
  ReadAsk same;
  same.key.db = 0;
  same.answers = {&kVariant, 1};
  std::size_t hits = 0;
  for (std::size_t at = 0; at < names.size(); at += kMostInRun) {
    std::vector<RunKey> keys;
    for (std::size_t i = at; i < std::min(names.size(), at + kMostInRun); ++i) {
      keys.push_back({cache.hash(0, names[i]), names[i], {}});
    }
    const RunSide side{&cache, cache.status().view()};
    prefetch(std::span(&side, 1), std::span<const RunKey>(keys));
    hits += read_run(std::span(&side, 1), same, keys, kNow,
                     [](const l1::Entry& entry) { return !entry.negative(); });
  }
  CHECK(hits == names.size());
}

}  // namespace tiercache::coherence
