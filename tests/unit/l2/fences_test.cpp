// Gates against a status that the test writes: when what waits is released.
#include "tiercache/l2/fences.hpp"

#include <atomic>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using namespace tiercache::l2;
using coherence::LinkState;
using coherence::LinkStatus;

namespace {

struct Bench {
  explicit Bench(Duration limit = 1h) : gate(make_fence_gate(io, fences, status, limit)) {
    status.set_state(LinkState::live);
  }
  void wait(std::uint64_t ping) {
    gate->wait(ping, [this, ping] { released.push_back(ping); });
  }
  void acknowledge(std::uint64_t ping) {
    status.set_acked(ping, Time(1s));
    fences.notify();
  }
  std::vector<std::uint64_t> run() {
    io.restart();
    while (io.poll() > 0) {
    }
    return std::exchange(released, {});
  }

  boost::asio::io_context io{1};
  Fences fences;
  LinkStatus status;
  std::unique_ptr<FenceGate> gate;
  std::vector<std::uint64_t> released;
};

using Released = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("what waits is released when its PING is acknowledged, not before") {
  Bench bench;
  bench.wait(1);
  bench.wait(2);
  bench.wait(2);
  CHECK(bench.gate->waiting() == 3);
  CHECK(bench.run().empty());
  bench.acknowledge(1);
  CHECK(bench.released.empty());
  CHECK(bench.run() == Released{1});
  bench.acknowledge(2);
  CHECK(bench.run() == Released{2, 2});
  CHECK(bench.gate->waiting() == 0);
  CHECK(bench.fences.counters().waits == 3);
  CHECK(bench.fences.counters().timeouts == 0);
}

TEST_CASE("a fence that is acknowledged already is released later, by itself") {
  Bench bench;
  bench.acknowledge(5);
  bench.wait(5);
  CHECK(bench.released.empty());
  CHECK(bench.run() == Released{5});
}

TEST_CASE("a link that is down, or a new generation, releases") {
  Bench bench;
  bench.wait(1);
  SUBCASE("down") {
    bench.status.set_state(LinkState::down);
    bench.fences.notify();
    CHECK(bench.run() == Released{1});
    bench.wait(2);
    CHECK(bench.released.empty());
    CHECK(bench.run() == Released{2});
  }
  SUBCASE("generation") {
    bench.status.bump_generation();
    bench.fences.notify();
    CHECK(bench.run() == Released{1});
    bench.wait(2);
    CHECK(bench.run().empty());
  }
  SUBCASE("not when it is only suspect or syncing") {
    for (const LinkState state : {LinkState::suspect, LinkState::syncing}) {
      bench.status.set_state(state);
      bench.fences.notify();
      CHECK(bench.run().empty());
    }
  }
}

TEST_CASE("at the limit L1 is emptied, then all that waits is released") {
  Bench bench(30ms);
  const std::uint64_t generation = bench.status.view().generation;
  bench.wait(1);
  bench.wait(2);
  std::uint64_t at_release = 0;
  bench.gate->wait(3, [&] { at_release = bench.status.view().generation; });
  const auto begin = std::chrono::steady_clock::now();
  while (at_release == 0) {
    bench.io.restart();
    bench.io.run_one_for(5ms);
    REQUIRE(std::chrono::steady_clock::now() - begin < 10s);
  }
  CHECK(std::chrono::steady_clock::now() - begin >= 25ms);
  CHECK(bench.released == Released{1, 2});
  CHECK(at_release == generation + 1);
  CHECK(bench.fences.counters().timeouts >= 1);
}

TEST_CASE("who comes back from within its release waits for the next time") {
  Bench bench;
  bench.status.set_state(LinkState::down);
  int rounds = 0;
  std::function<void()> again = [&] {
    if (++rounds < 3) {
      bench.gate->wait(1, again);
    }
  };
  bench.gate->wait(1, again);
  CHECK(rounds == 0);
  bench.run();
  CHECK(rounds == 3);
}

TEST_CASE("a gate that goes drops what waits") {
  Bench bench;
  bench.wait(1);
  bench.acknowledge(1);
  bench.gate.reset();
  CHECK(bench.run().empty());
  bench.fences.notify();
}

TEST_CASE("requests wake the event link once, until it has looked") {
  Fences fences;
  int wakes = 0;
  fences.request(3);
  fences.attach([&] { wakes++; });
  CHECK(wakes == 1);
  fences.request(4);
  fences.request(5);
  CHECK(wakes == 1);
  CHECK(fences.take_wanted() == 5);
  fences.request(5);
  fences.request(2);
  CHECK(wakes == 1);
  fences.request(6);
  CHECK(wakes == 2);
  fences.detach();
  fences.take_wanted();
  fences.request(7);
  CHECK(wakes == 2);
}

// Meant for the thread sanitizer as much as for what it checks: no waiter is forgotten.
TEST_CASE("gates of several threads and an event link of another lose no waiter") {
  constexpr int kThreads = 2;
  constexpr int kWaits = 2000;
  Fences fences;
  LinkStatus status;
  status.set_state(LinkState::live);
  boost::asio::io_context control{1};
  auto guard = boost::asio::make_work_guard(control);
  std::atomic<std::uint64_t> sent{0};
  fences.attach([&] {
    boost::asio::post(control, [&] {
      const std::uint64_t wanted = fences.take_wanted();
      while (sent < wanted) {
        status.set_sent(++sent);
      }
      status.set_acked(sent, Time(1s));
      fences.notify();
    });
  });
  std::thread event_link([&] { control.run(); });
  std::atomic<int> finished{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++) {
    threads.emplace_back([&] {
      boost::asio::io_context io{1};
      const auto gate = make_fence_gate(io, fences, status, 1h);
      int left = kWaits;
      std::function<void()> next = [&] {
        if (left-- > 0) {
          gate->wait(status.view().next_ping(), next);
        }
      };
      next();
      const auto deadline = std::chrono::steady_clock::now() + 20s;
      while (left >= 0 && std::chrono::steady_clock::now() < deadline) {
        io.restart();
        io.run_one_for(50ms);
      }
      finished += left < 0 ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(finished == kThreads);
  fences.detach();
  guard.reset();
  event_link.join();
}
