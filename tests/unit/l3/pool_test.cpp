// Which loads go together, and how many queries there are.
#include "pool.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::l3;

namespace {

// Connections that answer when they are told to.
struct Bench {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  std::vector<std::vector<std::int64_t>> batches;  // what each query was asked
  std::size_t answered = 0;

  class Gate final : public Connection {
   public:
    explicit Gate(Bench& bench) : bench_(bench) {
    }
    void run(std::span<const Load* const> loads, Time /*deadline*/,
             std::span<Loaded> results) override {
      std::unique_lock lock(bench_.mutex);
      std::vector<std::int64_t> keys;
      for (std::size_t i = 0; i < loads.size(); i++) {
        keys.push_back(std::get<std::int64_t>(loads[i]->values[0]));
        results[i] = {Loaded::Kind::value, std::to_string(keys.back())};
      }
      bench_.batches.push_back(std::move(keys));
      bench_.changed.notify_all();
      bench_.changed.wait(lock, [&] { return bench_.open; });
    }

   private:
    Bench& bench_;
  };

  Pool::Connect connect() {
    return [this] {
      return std::make_unique<Gate>(*this);
    };
  }
  void submit(Pool& pool, std::size_t query, std::int64_t key) {
    CHECK(Source::Taken::yes == pool.submit({query, {key}, [this, key](const Loaded& loaded) {
                                               const std::lock_guard lock(mutex);
                                               CHECK(loaded.bytes == std::to_string(key));
                                               answered++;
                                               changed.notify_all();
                                             }}));
  }
  template <class Done>
  void wait(Done done) {
    std::unique_lock lock(mutex);
    CHECK(changed.wait_for(lock, std::chrono::seconds(60), done));
  }
  void let_go() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
};

SourceConfig limits(unsigned concurrency, std::chrono::microseconds window) {
  SourceConfig config;
  config.concurrency = concurrency;
  config.timeout = std::chrono::seconds(60);
  config.window = window;
  return config;
}

const std::vector<Query> kQueries = {{"one", {"id"}, {true}, 1}, {"many", {"id"}, {true}, 10}};

}  // namespace

TEST_CASE("what waits for a connection goes together, so many at a time") {
  Bench bench;
  Pool pool(limits(1, std::chrono::microseconds(0)), kQueries, bench.connect());
  bench.submit(pool, 1, 0);
  bench.wait([&] { return bench.batches.size() == 1; });
  for (int key = 1; key <= 25; key++) {
    bench.submit(pool, 1, key);
  }
  bench.let_go();
  bench.wait([&] { return bench.answered == 26; });
  REQUIRE(bench.batches.size() == 4);
  CHECK(bench.batches[1].size() == 10);
  CHECK(bench.batches[2].size() == 10);
  CHECK(bench.batches[3] == std::vector<std::int64_t>{21, 22, 23, 24, 25});
  CHECK(pool.totals().queries == 4);
  CHECK(pool.totals().loads == 26);
  CHECK(pool.totals().waiting == 0);
}

TEST_CASE("queries of one key stay by themselves, and none is passed over") {
  Bench bench;
  Pool pool(limits(1, std::chrono::microseconds(0)), kQueries, bench.connect());
  bench.submit(pool, 0, 0);
  bench.wait([&] { return bench.batches.size() == 1; });
  bench.submit(pool, 0, 1);
  bench.submit(pool, 1, 2);
  bench.submit(pool, 0, 3);
  bench.submit(pool, 1, 4);
  bench.let_go();
  bench.wait([&] { return bench.answered == 5; });
  const std::vector<std::vector<std::int64_t>> expected = {{0}, {1}, {2, 4}, {3}};
  CHECK(bench.batches == expected);
}

TEST_CASE("the first of a batch waits for others, and not longer than until it is full") {
  Bench bench;
  bench.open = true;
  // Should it wait for the window, the test's patience ends first.
  Pool pool(limits(4, std::chrono::hours(1)), kQueries, bench.connect());
  for (int key = 0; key < 30; key++) {
    bench.submit(pool, 1, key);
  }
  bench.wait([&] { return bench.answered == 30; });
  CHECK(pool.totals().queries == 3);
  bench.submit(pool, 1, 30);
  bench.submit(pool, 0, 7);  // does not wait with it
  bench.wait([&] { return bench.answered == 31; });
  CHECK(pool.totals().waiting == 1);
  for (int key = 31; key < 40; key++) {
    bench.submit(pool, 1, key);
  }
  bench.wait([&] { return bench.answered == 41; });
}

TEST_CASE("what one query has answered is told together") {
  Bench bench;
  SourceConfig config = limits(1, std::chrono::hours(1));
  std::vector<std::size_t> told;  // in each telling; of the pool's one thread
  config.around = [&](const std::function<void()>& tell) {
    std::size_t before = 0;
    {
      const std::lock_guard lock(bench.mutex);
      before = bench.answered;
    }
    tell();
    const std::lock_guard lock(bench.mutex);
    told.push_back(bench.answered - before);
    bench.changed.notify_all();
  };
  bench.open = true;
  Pool pool(config, kQueries, bench.connect());
  for (int key = 0; key < 20; key++) {
    bench.submit(pool, 1, key);
  }
  bench.submit(pool, 0, 20);
  bench.wait([&] { return told.size() == 3; });
  std::ranges::sort(told);
  CHECK(told == std::vector<std::size_t>{1, 10, 10});
}

TEST_CASE("a window that ends lets go what there is") {
  Bench bench;
  bench.open = true;
  Pool pool(limits(2, std::chrono::milliseconds(1)), kQueries, bench.connect());
  for (int key = 0; key < 5; key++) {
    bench.submit(pool, 1, key);
    bench.wait([&] { return bench.answered == static_cast<std::size_t>(key) + 1; });
  }
  CHECK(bench.batches.size() == 5);
}

TEST_CASE("without a queue loads go as long as a thread is free, and fail at once when none is") {
  const auto fill = [](Bench& bench, Pool& pool, std::size_t query) {
    std::size_t taken = 0;
    for (int i = 0; i < 10; i++) {
      const Source::Taken its = pool.submit({query, {std::int64_t{1}}, [&](const Loaded& loaded) {
                                               const std::lock_guard lock(bench.mutex);
                                               CHECK(loaded.kind == Loaded::Kind::value);
                                               bench.answered++;
                                               bench.changed.notify_all();
                                             }});
      taken += its == Source::Taken::yes ? 1 : 0;
    }
    return taken;
  };
  Bench bench;
  SourceConfig config = limits(3, std::chrono::microseconds(0));
  config.queue = 0;
  SUBCASE("in the queue") {
  }
  SUBCASE("nor in a longer one") {
    config.queue = 4;
  }
  Pool pool(config, kQueries, bench.connect());
  CHECK(fill(bench, pool, 0) == config.queue + 3);
  bench.wait([&] { return bench.batches.size() == 3; });
  CHECK(fill(bench, pool, 0) == 0);
  bench.let_go();
  bench.wait([&] { return bench.answered == config.queue + 3; });
  const std::size_t more = fill(bench, pool, 0);
  CHECK(more > 0);
  bench.wait([&] { return bench.answered == config.queue + 3 + more; });
}

TEST_CASE("without a queue a batch gathers what there is room for in it") {
  Bench bench;
  SourceConfig config = limits(1, std::chrono::hours(1));
  config.queue = 0;
  Pool pool(config, kQueries, bench.connect());
  bench.submit(pool, 1, 0);
  // Until the thread gathers there is room for one.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  int next = 1;
  while (next < 10 && std::chrono::steady_clock::now() < deadline) {
    const Source::Taken taken =
        pool.submit({1, {std::int64_t{next}}, [&](const Loaded& /*loaded*/) {
                       const std::lock_guard lock(bench.mutex);
                       bench.answered++;
                       bench.changed.notify_all();
                     }});
    next += taken == Source::Taken::yes ? 1 : 0;
  }
  CHECK(next == 10);
  bench.wait([&] { return bench.batches.size() == 1; });
  CHECK(bench.batches[0].size() == 10);
  bench.let_go();
  bench.wait([&] { return bench.answered == 10; });
}

TEST_CASE("one that waits for others is told when the source goes") {
  Bench bench;
  std::size_t told = 0;
  {
    Pool pool(limits(2, std::chrono::hours(1)), kQueries, bench.connect());
    const Source::Taken taken = pool.submit({1, {std::int64_t{1}}, [&](const Loaded& loaded) {
                                               told += loaded.kind == Loaded::Kind::failed ? 1 : 0;
                                             }});
    CHECK(taken == Source::Taken::yes);
  }
  CHECK(told == 1);
}

TEST_CASE("a source that does not answer is left alone, and tried again") {
  // Fails until it is told otherwise.
  struct Failing final : Connection {
    explicit Failing(std::atomic<bool>& works) : works_(works) {
    }
    void run(std::span<const Load* const> /*loads*/, Time /*deadline*/,
             std::span<Loaded> results) override {
      results[0] = works_ ? Loaded{Loaded::Kind::value, "it"}
                          : Loaded{Loaded::Kind::failed, "no route", true};
    }
    std::atomic<bool>& works_;
  };
  std::atomic<bool> works{false};
  Pool pool(limits(1, std::chrono::microseconds(0)), kQueries,
            [&] { return std::make_unique<Failing>(works); });
  std::mutex mutex;
  std::condition_variable changed;
  // How it was taken, or what it brought.
  const auto load = [&]() -> std::string {
    std::optional<std::string> brought;
    const Source::Taken taken = pool.submit({0, {std::int64_t{1}}, [&](const Loaded& loaded) {
                                               const std::lock_guard lock(mutex);
                                               brought = loaded.bytes;
                                               changed.notify_all();
                                             }});
    if (taken != Source::Taken::yes) {
      return taken == Source::Taken::away ? "away" : "full";
    }
    std::unique_lock lock(mutex);
    CHECK(changed.wait_for(lock, std::chrono::seconds(60), [&] { return brought.has_value(); }));
    return brought.value_or("");
  };
  for (unsigned i = 0; i < Breaker::kFailures; i++) {
    CHECK(load() == "no route");
  }
  CHECK(load() == "away");
  CHECK(pool.totals().left_alone);
  CHECK(pool.totals().queries == Breaker::kFailures);
  works = true;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  std::string brought;
  while (brought != "it" && std::chrono::steady_clock::now() < deadline) {
    brought = load();
  }
  CHECK(brought == "it");
  CHECK_FALSE(pool.totals().left_alone);
  CHECK(pool.totals().opened == 1);
}
