// The auditor against a cache and an event link that the test plays.
#include "tiercache/observe/auditor.hpp"

#include "../l2/fake_events.hpp"

#include "tiercache/command/table.hpp"

#include <chrono>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using namespace tiercache::observe;
using coherence::LinkState;
using stats::Counter;

namespace {

using l2::testing::FakeEvents;

Time now() {
  return std::chrono::steady_clock::now();
}

coherence::CacheConfig cache_config() {
  coherence::CacheConfig config;
  config.shard.limits.max_bytes = std::size_t{1} << 20;
  config.shards = 2;
  return config;
}

struct Bench {
  Bench() {
    coherence::LinkStatus& status = cache.status();
    status.set_source(7);
    status.set_sent(1);
    status.set_acked(1, now());
    status.set_state(LinkState::live);
  }
  // As a flight does; the value of `k` in db 3.
  void fill(const std::string& bytes) {
    const command::Table& table = *command::Table::builtin();
    const auto get = static_cast<std::uint16_t>(table.find_name("get") - table.commands().data());
    const l1::Key key{cache.hash(3, "k"), 3, "k"};
    const auto flight = cache.begin_fill(key, {get, 0, {}}, {1, 1, 7}, now());
    const std::string reply = "$" + std::to_string(bytes.size()) + "\r\n" + bytes + "\r\n";
    coherence::Fill with;
    with.reply = reply;
    with.source = 7;
    coherence::Waiters waiters;
    REQUIRE(cache.reply(key.hash, flight, with, now(), waiters));
  }
  bool kept() {
    return cache.totals().entries == 1;
  }
  // Lets the auditor ask once, and answers.
  void answer(const Result<l2::Reply>& reply) {
    auditor.set_rate(1000);
    const Time limit = now() + 60s;
    while (events.queries.empty() && now() < limit) {
      io.restart();
      io.run_one_for(1s);
    }
    REQUIRE_FALSE(events.queries.empty());
    auditor.set_rate(0);  // those already asked stay unanswered
    last = std::move(events.queries.front());
    last.answer(reply);
    settle();
  }
  void answer(const std::string& text) {
    answer(l2::Reply{.kind = l2::Reply::Kind::text, .text = text});
  }
  // The next PING goes out and comes back.
  void fence() {
    const std::uint64_t ping = fences.take_wanted();
    REQUIRE(ping > cache.status().view().acked);
    cache.status().set_sent(ping);
    cache.status().set_acked(ping, now());
    fences.notify();
    settle();
  }
  void settle() {
    io.restart();
    while (io.poll() > 0) {
    }
  }
  std::uint64_t of(Counter counter) const {
    return counters.get(counter);
  }
  // checked, raced, stale, skipped
  std::vector<std::uint64_t> counts() const {
    return {of(Counter::audit_checked), of(Counter::audit_raced), of(Counter::audit_stale),
            of(Counter::audit_skipped)};
  }

  boost::asio::io_context io{1};
  coherence::Cache cache{cache_config()};
  l2::Fences fences;
  FakeEvents events;
  stats::Counters counters;
  Auditor auditor{{io, cache, events, fences, counters, 1}};
  FakeEvents::Query last;
};

using Counts = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("an entry that Redis confirms is checked") {
  Bench bench;
  bench.fill("value");
  bench.answer("value");
  CHECK(bench.last.db == 3);
  CHECK(bench.last.words == std::vector<std::string>{"GETRANGE", "k", "0", "5"});
  CHECK(bench.counts() == Counts{1, 0, 0, 0});
  CHECK(bench.kept());
}

TEST_CASE("a difference counts for nothing until the fence has come") {
  Bench bench;
  bench.fill("old");
  bench.answer("new");
  bench.fences.notify();
  bench.settle();
  CHECK(bench.counts() == Counts{0, 0, 0, 0});
  CHECK(bench.kept());
}

TEST_CASE("a difference whose event was on its way is none") {
  Bench bench;
  bench.fill("old");
  bench.answer("new");
  bench.cache.event(bench.cache.hash(3, "k"));
  bench.fence();
  CHECK(bench.counts() == Counts{1, 1, 0, 0});
}

TEST_CASE("another fill of the key is not the one that was audited, whatever it holds") {
  Bench bench;
  bench.fill("old");
  bench.answer("new");
  bench.cache.event(bench.cache.hash(3, "k"));
  bench.fill("old");
  bench.fence();
  CHECK(bench.counts() == Counts{1, 1, 0, 0});
  CHECK(bench.kept());
}

TEST_CASE("an entry that outlives the fence is stale, and is dropped") {
  Bench bench;
  bench.fill("old");
  bench.answer("new");
  bench.fence();
  CHECK(bench.counts() == Counts{1, 0, 1, 0});
  CHECK_FALSE(bench.kept());
}

TEST_CASE("what cannot be proven is skipped") {
  Bench bench;
  bench.fill("old");
  SUBCASE("Redis refuses") {
    bench.answer(l2::Reply{.kind = l2::Reply::Kind::error, .text = "NOPERM no"});
  }
  SUBCASE("the connection is lost") {
    bench.answer(Error{ErrorCode::unavailable, "lost"});
  }
  SUBCASE("memory is emptied while the fence is awaited") {
    bench.answer("new");
    bench.cache.status().bump_generation();
    bench.fences.notify();
    bench.settle();
  }
  SUBCASE("the link goes down while the fence is awaited") {
    bench.answer("new");
    bench.cache.status().set_state(LinkState::down);
    bench.fences.notify();
    bench.settle();
  }
  CHECK(bench.counts() == Counts{0, 0, 0, 1});
}
