// Fills under way that must not be kept: of keys that belong elsewhere by now, and of those of
// which something newer may have been shown. Which others go with them.
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
    config.shard.stripes = 1;
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

TEST_CASE("a read that goes past L1 refuses the fills of its own key alone") {
  Bench bench;
  CHECK(bench.answer("read", bench.send("read")));
  const FlightId read = bench.send("read");
  const FlightId other = bench.send("other");
  bench.cache.pass_read(bench.key("read").hash);
  CHECK(bench.read("read") == ReadOutcome::Kind::send);
  CHECK(!bench.answer("read", read));
  CHECK(bench.answer("other", other));
}

// Many fills under way at a time, a few of which share each stripe: if each that is refused refused
// those of its stripe, one event would be enough for L1 to keep nothing as long as the load lasts.
TEST_CASE("a fill that is refused does not refuse those of other keys") {
  Bench bench;
  const FlightId a = bench.send("a");
  bench.cache.event(bench.key("any").hash);  // the one stripe's
  const FlightId b = bench.send("b");
  CHECK(!bench.answer("a", a));
  CHECK(bench.answer("b", b));
}

}  // namespace tiercache::coherence
