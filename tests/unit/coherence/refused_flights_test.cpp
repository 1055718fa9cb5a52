// Fills under way of keys that belong elsewhere by now.
#include "tiercache/coherence/cache.hpp"

#include <chrono>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::coherence {

using namespace std::chrono_literals;

namespace {

struct Bench {
  Bench() : cache(config()) {
    cache.status().set_state(LinkState::live);
    cache.status().set_sent(1);
    cache.status().set_acked(1, Time(10s));
  }
  static CacheConfig config() {
    CacheConfig config;
    config.shard.limits.max_bytes = std::size_t{1} << 20;
    return config;
  }
  l1::Key key(std::string_view name) {
    return {cache.hash(0, name), 0, name};
  }
  FlightId send(std::string_view name) {
    return cache.begin_fill(key(name), kVariant, {1, 1, 0}, Time(10s));
  }
  // Whether it was kept.
  bool answer(std::string_view name, FlightId flight) {
    Fill fill;
    fill.reply = "$1\r\nv\r\n";
    Waiters waiters;
    return cache.reply(key(name).hash, flight, fill, Time(10s), waiters);
  }
  ReadOutcome::Kind read(std::string_view name) {
    ReadAsk ask;
    ask.key = key(name);
    ask.answers = {&kVariant, 1};
    ask.place = {1, 2, 0};
    return cache.read(ask, Time(10s), [](const l1::Entry&) {}).kind;
  }
  void refuse(std::string_view name) {
    cache.for_each_shard([&](Shard& shard) {
      shard.refuse_flights([&](std::string_view key) { return key == name; });
    });
  }

  static constexpr l1::Variant kVariant{1, 0, {}};
  Cache cache;
};

}  // namespace

TEST_CASE("a refused fill is not kept, nor what is there; others are, and so is the next") {
  Bench bench;
  CHECK(bench.answer("gone", bench.send("gone")));
  CHECK(bench.answer("here", bench.send("here")));
  const FlightId gone = bench.send("gone");
  const FlightId second = bench.send("gone");
  const FlightId here = bench.send("here");
  bench.refuse("gone");
  CHECK(!bench.answer("gone", gone));
  CHECK(bench.read("gone") == ReadOutcome::Kind::send);
  CHECK(!bench.answer("gone", second));
  CHECK(bench.answer("here", here));
  CHECK(bench.read("here") == ReadOutcome::Kind::hit);
  CHECK(bench.answer("gone", bench.send("gone")));
  CHECK(bench.read("gone") == ReadOutcome::Kind::hit);
}

TEST_CASE("nobody joins a refused flight") {
  Bench bench;
  REQUIRE(bench.read("k") == ReadOutcome::Kind::send);
  CHECK(bench.read("k") == ReadOutcome::Kind::joined);
  bench.refuse("k");
  CHECK(bench.read("k") == ReadOutcome::Kind::send);
}

}  // namespace tiercache::coherence
