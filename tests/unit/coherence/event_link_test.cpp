// The event link's machine, stepped by hand: states, fences, canaries, faults.
#include "tiercache/coherence/event_link.hpp"

#include <vector>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using namespace tiercache::coherence;

namespace {

using Pings = std::vector<std::uint64_t>;

// A link, and the time as the test says it is.
struct Bench {
  explicit Bench(const EventLinkConfig& config = {}) : link(config) {
  }

  void at(Duration offset) {
    now = Time(1h) + offset;
  }
  // What the calls since the last take() asked for.
  Pings take() {
    Pings pings = actions.pings;
    actions.clear();
    return pings;
  }
  void subscribe(std::uint64_t source = 7) {
    link.on_subscribed(source, now, status, actions);
  }
  void pong(std::uint64_t payload) {
    link.on_pong(payload, now, status, actions);
  }
  void tick() {
    link.on_tick(now, status, actions);
  }
  void request(std::uint64_t ping) {
    link.request(ping, now, status, actions);
  }
  // Up to live, its canary heard.
  void bring_up() {
    subscribe();
    actions.clear();
    if (status.view().state == LinkState::syncing && canary_expected) {
      link.on_canary_written(false, now, status, actions);
      link.on_canary_event();
    }
    const std::uint64_t ping = status.view().sent;
    actions.clear();
    pong(ping);
  }
  LinkState state() const {
    return status.view().state;
  }
  std::uint64_t generation() const {
    return status.view().generation;
  }

  BasicEventLink<> link;
  LinkStatus status;
  EventLinkActions actions;
  Time now = Time(1h);
  bool canary_expected = true;
};

EventLinkConfig without_canary() {
  EventLinkConfig config;
  config.canary = false;
  return config;
}

}  // namespace

TEST_CASE("live only when the canary's event came before the PONG of a PING sent after it") {
  Bench bench;
  const std::uint64_t generation = bench.generation();
  bench.subscribe(7);
  CHECK(bench.state() == LinkState::syncing);
  CHECK(bench.status.view().source == 7);
  CHECK(bench.generation() > generation);
  CHECK(bench.actions.write_canary);
  CHECK(bench.take().empty());

  bench.link.on_canary_event();
  bench.link.on_canary_written(false, bench.now, bench.status, bench.actions);
  CHECK(bench.state() == LinkState::syncing);
  CHECK(bench.take() == Pings{1});
  CHECK(bench.status.view().sent == 1);
  bench.at(3ms);
  bench.pong(1);
  CHECK(bench.state() == LinkState::live);
  CHECK(bench.status.view().acked == 1);
  CHECK(bench.status.view().acked_at == Time(1h));
}

TEST_CASE("a canary that is not heard is a fault, at the start and later") {
  Bench bench;
  SUBCASE("at the start") {
    bench.subscribe();
  }
  SUBCASE("later") {
    bench.bring_up();
    REQUIRE(bench.state() == LinkState::live);
    bench.take();
    bench.at(1s);
    bench.tick();
    REQUIRE(bench.actions.write_canary);
  }
  bench.take();
  const std::uint64_t generation = bench.generation();
  bench.link.on_canary_written(false, bench.now, bench.status, bench.actions);
  // Older PINGs prove nothing yet.
  for (std::uint64_t ping = bench.status.view().acked + 1; ping < bench.status.view().sent;
       ping++) {
    bench.pong(ping);
    REQUIRE_FALSE(bench.actions.close);
  }
  const std::uint64_t acked = bench.status.view().acked;
  bench.pong(bench.status.view().sent);
  CHECK(bench.actions.close);
  CHECK(bench.actions.fault == LinkFault::canary_unheard);
  CHECK(bench.state() == LinkState::down);
  CHECK(bench.generation() > generation);
  CHECK(bench.status.view().acked == acked);
}

TEST_CASE("a canary that stays unanswered ends hits after max_staleness, until it is heard") {
  Bench bench;
  bench.bring_up();
  bench.at(1s);
  bench.tick();
  REQUIRE(bench.actions.write_canary);
  const auto answer_all = [&bench] {
    while (bench.status.view().acked < bench.status.view().sent) {
      bench.pong(bench.status.view().acked + 1);
    }
  };
  const auto heartbeat = [&](Duration at) {
    bench.at(at);
    bench.tick();
    answer_all();
  };
  heartbeat(1s + 500ms);
  CHECK(bench.state() == LinkState::live);
  const std::uint64_t generation = bench.generation();
  heartbeat(2s + 1ms);  // PONGs alone prove nothing about events
  CHECK(bench.state() == LinkState::suspect);
  CHECK(bench.generation() == generation);
  bench.link.on_canary_event();
  bench.link.on_canary_written(false, bench.now, bench.status, bench.actions);
  answer_all();
  CHECK(bench.state() == LinkState::live);
}

TEST_CASE("statistics watched instead of a canary: unanswered they end hits likewise") {
  Bench bench(without_canary());
  bench.canary_expected = false;
  bench.bring_up();
  bench.link.on_watch_sent(bench.now);
  const auto heartbeat = [&](Duration at) {
    bench.at(at);
    bench.tick();
    for (const std::uint64_t ping : bench.take()) {
      bench.pong(ping);
    }
  };
  heartbeat(1s);
  CHECK(bench.state() == LinkState::live);
  bench.link.on_watch_sent(bench.now);  // the first is still under way
  const std::uint64_t generation = bench.generation();
  heartbeat(1s + 1ms);
  heartbeat(1s + 30ms);
  CHECK(bench.state() == LinkState::suspect);
  CHECK(bench.generation() == generation);
  bench.link.on_watch_answered();
  heartbeat(1s + 60ms);
  CHECK(bench.state() == LinkState::live);
  bench.link.on_watch_answered();
  heartbeat(5s);
  CHECK(bench.state() == LinkState::live);
}

TEST_CASE("the event of an older canary does not stand for this one") {
  Bench bench;
  bench.bring_up();
  bench.link.on_canary_event();  // late, or forged: before the next canary begins
  bench.at(1s);
  bench.tick();
  REQUIRE(bench.actions.write_canary);
  bench.link.on_canary_written(false, bench.now, bench.status, bench.actions);
  for (const std::uint64_t ping : bench.take()) {
    bench.pong(ping);
  }
  CHECK(bench.actions.fault == LinkFault::canary_unheard);
}

TEST_CASE("a canary that was not what we left there empties L1, and the link goes on") {
  Bench bench;
  bench.bring_up();
  bench.at(1s);
  bench.tick();
  bench.take();
  const std::uint64_t generation = bench.generation();
  bench.link.on_canary_written(true, bench.now, bench.status, bench.actions);
  CHECK(bench.generation() == generation + 1);
  CHECK(bench.state() == LinkState::live);
}

TEST_CASE("canaries follow each other at their interval, one at a time") {
  Bench bench;
  bench.bring_up();
  bench.take();
  bench.at(999ms);
  bench.tick();
  CHECK_FALSE(bench.actions.write_canary);
  bench.at(1s);
  bench.tick();
  CHECK(bench.actions.write_canary);
  bench.take();
  bench.at(4s);
  bench.tick();
  CHECK_FALSE(bench.actions.write_canary);
}

TEST_CASE("a refused canary: live without, and none is asked for again on this connection") {
  Bench bench;
  bench.subscribe();
  bench.take();
  bench.link.on_canary_refused(bench.now, bench.status, bench.actions);
  CHECK(bench.take() == Pings{1});
  CHECK(bench.state() == LinkState::syncing);
  bench.pong(1);
  CHECK(bench.state() == LinkState::live);
  bench.at(10s);
  bench.tick();
  CHECK_FALSE(bench.actions.write_canary);
  bench.link.on_lost(bench.status);
  bench.subscribe();
  CHECK(bench.actions.write_canary);
}

TEST_CASE("an overdue PONG makes suspect, its coming makes live, neither flushes") {
  Bench bench(without_canary());
  bench.canary_expected = false;
  bench.bring_up();
  REQUIRE(bench.state() == LinkState::live);
  const std::uint64_t generation = bench.generation();
  bench.at(20ms);
  bench.tick();
  const Pings pings = bench.take();
  REQUIRE(pings.size() == 1);
  bench.at(1020ms);
  bench.tick();
  CHECK(bench.state() == LinkState::live);
  bench.at(1021ms);
  bench.tick();
  CHECK(bench.state() == LinkState::suspect);
  bench.pong(pings[0]);
  CHECK(bench.state() == LinkState::live);
  CHECK(bench.generation() == generation);
  CHECK(bench.status.view().acked_at == Time(1h) + 20ms);
}

TEST_CASE("where each hit is fenced no PONG is overdue") {
  EventLinkConfig config = without_canary();
  config.max_staleness = 0s;
  Bench bench(config);
  bench.canary_expected = false;
  bench.bring_up();
  bench.at(20ms);
  bench.tick();
  bench.at(4s);
  bench.tick();
  CHECK(bench.state() == LinkState::live);
}

TEST_CASE("silence for too long is a fault") {
  Bench bench(without_canary());
  bench.canary_expected = false;
  bench.bring_up();
  bench.at(20ms);
  bench.tick();
  bench.at(5020ms);
  bench.tick();
  CHECK_FALSE(bench.actions.close);
  const std::uint64_t generation = bench.generation();
  bench.at(5021ms);
  bench.tick();
  CHECK(bench.actions.close);
  CHECK(bench.actions.fault == LinkFault::silent);
  CHECK(bench.state() == LinkState::down);
  CHECK(bench.generation() > generation);
}

TEST_CASE("a lost link flushes at the loss and again when it is subscribed anew") {
  Bench bench;
  bench.bring_up();
  std::uint64_t generation = bench.generation();
  bench.link.on_lost(bench.status);
  CHECK(bench.state() == LinkState::down);
  CHECK(bench.generation() > generation);
  CHECK(bench.link.next_tick() == kNever);
  generation = bench.generation();
  bench.subscribe(8);
  CHECK(bench.state() == LinkState::syncing);
  CHECK(bench.generation() > generation);
  CHECK(bench.status.view().source == 8);
}

TEST_CASE("a PONG of the connection before this one acknowledges nothing") {
  Bench bench(without_canary());
  bench.subscribe();
  CHECK(bench.take() == Pings{1});
  bench.link.on_lost(bench.status);
  bench.subscribe();
  CHECK(bench.take() == Pings{2});
  bench.pong(1);
  CHECK(bench.state() == LinkState::syncing);
  CHECK(bench.status.view().acked == 0);
  bench.pong(2);
  CHECK(bench.state() == LinkState::live);
}

TEST_CASE("the NULL payload empties L1") {
  Bench bench;
  bench.bring_up();
  const std::uint64_t generation = bench.generation();
  bench.link.on_null(bench.status);
  CHECK(bench.generation() == generation + 1);
  CHECK(bench.state() == LinkState::live);
}

TEST_CASE("a fence of two stages is acknowledged by its second PONG, as of its first PING") {
  EventLinkConfig config = without_canary();
  config.pings_per_fence = 2;
  Bench bench(config);
  bench.subscribe();
  const Pings first = bench.take();
  REQUIRE(first.size() == 1);
  bench.at(1ms);
  bench.request(2);
  const Pings second = bench.take();
  REQUIRE(second.size() == 1);

  bench.at(2ms);
  bench.pong(first[0]);
  const Pings first_again = bench.take();
  REQUIRE(first_again.size() == 1);
  CHECK(first_again[0] != first[0]);
  CHECK(first_again[0] != second[0]);
  CHECK(bench.status.view().acked == 0);
  bench.pong(second[0]);
  const Pings second_again = bench.take();
  REQUIRE(second_again.size() == 1);
  CHECK(bench.status.view().acked == 0);

  bench.at(3ms);
  bench.pong(first_again[0]);
  CHECK(bench.status.view().acked == 1);
  CHECK(bench.status.view().acked_at == Time(1h));
  CHECK(bench.state() == LinkState::live);
  bench.pong(second_again[0]);
  CHECK(bench.status.view().acked == 2);
  CHECK(bench.status.view().acked_at == Time(1h) + 1ms);
}

TEST_CASE("requests for a fence that is under way ask for nothing more") {
  Bench bench(without_canary());
  bench.canary_expected = false;
  bench.bring_up();
  bench.take();
  const std::uint64_t wanted = bench.status.view().next_ping();
  bench.request(wanted);
  CHECK(bench.take() == Pings{wanted});
  bench.request(wanted);
  bench.request(wanted - 1);
  CHECK(bench.take().empty());
  bench.request(wanted + 1);
  CHECK(bench.take() == Pings{wanted + 1});
}

TEST_CASE("a bounded number of fences is under way; what was asked meanwhile follows as one") {
  EventLinkConfig config = without_canary();
  config.max_outstanding = 3;
  Bench bench(config);
  bench.canary_expected = false;
  bench.bring_up();
  bench.take();
  const std::uint64_t base = bench.status.view().sent;
  for (std::uint64_t ping = base + 1; ping <= base + 3; ping++) {
    bench.request(ping);
    CHECK(bench.take() == Pings{ping});
  }
  // next_ping() of whoever comes now, three of them.
  for (int i = 0; i < 3; i++) {
    bench.request(bench.status.view().next_ping());
  }
  bench.at(1s);
  bench.tick();
  CHECK(bench.take().empty());
  bench.pong(base + 1);
  CHECK(bench.take() == Pings{base + 4});
  bench.pong(base + 2);
  CHECK(bench.take().empty());
}

TEST_CASE("what was asked for while the link was down is sent once it is up") {
  Bench bench(without_canary());
  bench.request(1);
  CHECK(bench.take().empty());
  bench.request(5);
  bench.subscribe();
  CHECK(bench.take() == Pings{1});
  for (std::uint64_t ping = 1; ping < 5; ping++) {
    bench.pong(ping);
    CHECK(bench.take() == Pings{ping + 1});
  }
  bench.pong(5);
  CHECK(bench.take().empty());
  CHECK(bench.status.view().acked == 5);
}

TEST_CASE("a PING is sent each heartbeat, counted from the last one for whatever reason") {
  Bench bench(without_canary());
  bench.canary_expected = false;
  bench.bring_up();
  bench.take();
  CHECK(bench.link.next_tick() == Time(1h) + 20ms);
  bench.at(10ms);
  bench.request(bench.status.view().next_ping());
  CHECK(bench.take().size() == 1);
  CHECK(bench.link.next_tick() == Time(1h) + 30ms);
  bench.at(29ms);
  bench.tick();
  CHECK(bench.take().empty());
  bench.at(30ms);
  bench.tick();
  CHECK(bench.take().size() == 1);
}
