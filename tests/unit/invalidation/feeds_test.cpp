// What a source has told of, with a listener, a Redis and an invalidator that do what a test wants.
#include "tiercache/invalidation/feeds.hpp"

#include "../l2/fake_events.hpp"
#include "../proxy/fake_source.hpp"
#include "../proxy/fake_upstream.hpp"
#include "schedule_parts.hpp"

#include "tiercache/proxy/invalidations.hpp"
#include "tiercache/proxy/loads.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::invalidation::testing;
using namespace tiercache::proxy::testing;
using invalidation::Feeds;
using invalidation::Handlers;
using invalidation::Invalidator;
using proxy::Invalidations;

namespace {

config::Config listening() {
  config::Config config = with_source({});
  config.sources.front().listen = "changes";
  return config;
}

struct World {
  const config::Config config = listening();
  Rig rig{1, [this](config::Config& tuned) {
            tuned = config;
          }};
  l2::Fences fences;
  l2::testing::FakeEvents events;
  std::unique_ptr<Invalidator> invalidator;
  std::unique_ptr<Handlers> handlers;
  l3::ListenerHandlers source;
  std::unique_ptr<Feeds> feeds;

  World() {
    rig.hub.loads = std::make_shared<proxy::Loads>(
        config, rig.hub, [](const l3::SourceConfig&, const std::vector<l3::Query>&) {
          return std::make_unique<FakeSource>();
        });
    rig.hub.add_node({nullptr, rig.cache, fences, events});
    invalidator = std::make_unique<Invalidator>(rig.io, rig.hub, config);
    handlers = std::make_unique<Handlers>(rig.io, events, config.handlers);
    feeds = std::make_unique<Feeds>(rig.io, *invalidator, *handlers, rig.hub, config,
                                    [this](const l3::ListenerConfig&, l3::ListenerHandlers heard) {
                                      source = std::move(heard);
                                      return std::make_unique<l3::Listener>();
                                    });
    feeds->start();
    source.on_listening();
    rig.run();
  }
  ~World() {
    events.queries.clear();  // they hold what has timers on the loop
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void hear(const std::string& key) {
    source.on_notice(key);
    rig.run();
  }
  std::int64_t count(const std::string& what) const {
    const std::string text = "," + feeds->lines().at(0).second;
    const auto at = text.find("," + what + "=");
    REQUIRE(at != text.npos);
    return std::stoll(text.substr(at + what.size() + 2));
  }
  // What Redis is asked and has not answered.
  std::vector<std::string> asked(const std::string& verb) const {
    std::vector<std::string> asked;
    for (const auto& query : events.queries) {
      if (query.words[0] == verb) {
        asked.push_back(query.words[1]);
      }
    }
    return asked;
  }
  void answer(const std::string& verb, Result<l2::Reply> reply) {
    auto& queries = events.queries;
    const auto found = std::find_if(queries.begin(), queries.end(),
                                    [&](const auto& query) { return query.words[0] == verb; });
    REQUIRE(found != queries.end());
    const auto take = std::move(found->answer);
    queries.erase(found);
    take(std::move(reply));
    rig.run();
  }
  void unlinked() {
    l2::Reply reply{l2::Reply::Kind::integer};
    reply.integer = 1;
    answer("UNLINK", std::move(reply));
  }
  void scanned() {
    using Kind = l2::Reply::Kind;
    l2::Reply reply{Kind::array};
    reply.items = {{Kind::text, "0"}, {Kind::array}};
    answer("SCAN", std::move(reply));
  }
  void away(const std::string& verb) {
    answer(verb, Error{ErrorCode::unavailable, "it is away"});
  }
  // By what the loop does, timers included.
  template <class F>
  bool eventually(F&& seen) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!seen() && std::chrono::steady_clock::now() < end) {
      rig.io.restart();
      rig.io.run_one_for(std::chrono::seconds(1));
    }
    return seen();
  }
};

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("a key waits for no sweep, however long that takes") {
  World world;
  world.hear("");
  REQUIRE(world.asked("SCAN").size() == 1);
  world.hear("doc:7");
  CHECK(world.asked("UNLINK") == Words{"doc:7"});
  CHECK(world.count("pending") == 2);
  world.unlinked();
  CHECK(world.count("removed") == 1);
  CHECK(world.count("pending") == 1);
  // Nor where Redis does not do it.
  world.away("SCAN");
  world.hear("doc:7");
  CHECK(world.asked("UNLINK") == Words{"doc:7"});
  world.unlinked();
  CHECK(world.count("removed") == 2);
  CHECK(world.eventually([&] { return !world.asked("SCAN").empty(); }));
  world.scanned();
  CHECK(world.count("pending") == 0);
  CHECK(world.count("failed") == 0);
}

TEST_CASE("a key goes from each db behind those that came before it") {
  World world;
  world.feeds->use_db(3);
  world.hear("doc:1");
  world.hear("doc:2");
  world.hear("doc:2");
  CHECK(world.asked("UNLINK") == Words{"doc:1"});
  CHECK(world.count("pending") == 2);
  CHECK(world.events.queries.front().db == 3);
  world.unlinked();
  CHECK(world.asked("UNLINK") == Words{"doc:1"});
  CHECK(world.events.queries.front().db == 0);
  world.unlinked();
  CHECK(world.asked("UNLINK") == Words{"doc:2"});
  world.unlinked();
  world.unlinked();
  CHECK(world.count("pending") == 0);
  CHECK(world.count("removed") == 4);
  CHECK(world.events.queries.empty());
}

TEST_CASE("a key that Redis does not let go of is tried again, with what came meanwhile") {
  World world;
  world.hear("doc:1");
  world.hear("doc:2");
  world.away("UNLINK");
  CHECK(world.count("failed") == 1);
  CHECK(world.count("pending") == 2);
  world.hear("doc:3");
  CHECK(world.asked("UNLINK").empty());
  CHECK(world.count("pending") == 3);
  CHECK(world.eventually([&] { return world.asked("UNLINK").size() == 3; }));
  CHECK(world.asked("UNLINK") == Words{"doc:1", "doc:2", "doc:3"});
  for (int i = 0; i < 3; i++) {
    world.unlinked();
  }
  CHECK(world.count("removed") == 3);
  CHECK(world.count("pending") == 0);
}

TEST_CASE("beyond the keys that may wait everything goes instead") {
  World world;
  world.hear("doc:0");
  for (std::size_t i = 1; i <= Feeds::kPending; i++) {
    world.source.on_notice("doc:" + std::to_string(i));
  }
  world.rig.run();
  CHECK(world.count("pending") == static_cast<std::int64_t>(Feeds::kPending) + 1);
  CHECK(world.asked("SCAN").empty());
  world.hear("doc:more");
  CHECK(world.count("pending") == 2);
  CHECK(world.asked("SCAN").size() == 1);
  CHECK(world.asked("UNLINK") == Words{"doc:0"});
  // So it is where those that have failed join those that wait.
  for (std::size_t i = 1; i <= Feeds::kPending; i++) {
    world.source.on_notice("doc:" + std::to_string(i));
  }
  world.rig.run();
  world.away("UNLINK");
  CHECK(world.count("pending") == 1);
  world.scanned();  // it was begun anew
  world.scanned();
  CHECK(world.asked("SCAN").empty());
  CHECK(world.count("pending") == 0);
}

TEST_CASE("all keys again while they are swept: that holds at once, and is done again") {
  World world;
  world.hear("");
  const auto first = world.rig.hub.newest_invalidation.load();
  CHECK(first > 0);
  for (int i = 0; i < 100; i++) {
    world.hear("");
  }
  CHECK(world.rig.hub.newest_invalidation.load() == first + 100);
  CHECK(world.count("pending") == 1);
  CHECK(world.asked("SCAN").size() == 1);
  world.scanned();
  CHECK(world.asked("SCAN").size() == 1);
  world.scanned();
  CHECK(world.asked("SCAN").empty());
  CHECK(world.count("pending") == 0);
  CHECK(world.rig.hub.newest_invalidation.load() == 0);
}

TEST_CASE("so many sweeps at a time, the others follow; each once") {
  World world;
  const std::size_t more = 2;
  for (std::uint32_t db = 1; db < Feeds::kSweeps + more; db++) {
    world.feeds->use_db(db);
  }
  for (int i = 0; i < 3; i++) {
    world.hear("");
  }
  CHECK(world.asked("SCAN").size() == Feeds::kSweeps);
  CHECK(world.rig.hub.invalidations->lines().size() == Feeds::kSweeps);
  CHECK(world.count("pending") == static_cast<std::int64_t>(Feeds::kSweeps + more));
  std::vector<std::size_t> swept(Feeds::kSweeps + more, 0);
  while (!world.events.queries.empty()) {
    swept[world.events.queries.front().db]++;
    world.scanned();
  }
  // The first of them twice, as they were asked for again while they were under way.
  CHECK(std::ranges::count(swept, 2U) == static_cast<std::ptrdiff_t>(Feeds::kSweeps));
  CHECK(std::ranges::count(swept, 1U) == static_cast<std::ptrdiff_t>(more));
  CHECK(world.count("pending") == 0);
}

TEST_CASE("a sweep that is refused is asked for again") {
  World world;
  Invalidations& pending = *world.rig.hub.invalidations;
  std::vector<Invalidations::Published> others;
  for (std::size_t i = 0; i < Invalidations::kMost; i++) {
    others.push_back(pending.publish({"other " + std::to_string(i), 0, false, [](std::string_view) {
                                        return false;
                                      }}));
  }
  world.hear("");
  CHECK(world.count("failed") == 1);
  CHECK(world.count("pending") == 1);
  world.hear("doc:7");
  CHECK(world.asked("UNLINK") == Words{"doc:7"});
  world.unlinked();
  CHECK(world.count("failed") == 1);  // not for each
  CHECK(world.asked("SCAN").empty());
  pending.retire(others[0].id, others[0].number);
  CHECK(world.eventually([&] { return !world.asked("SCAN").empty(); }));
  world.scanned();
  CHECK(world.count("pending") == 0);
}

TEST_CASE("what may have been missed is swept, but not at the start with nothing loaded") {
  World world;
  CHECK(world.count("gaps") == 0);
  CHECK(world.events.queries.empty());
  world.source.on_lost("gone");
  CHECK(world.count("listening") == 0);
  world.source.on_listening();
  world.rig.run();
  CHECK(world.count("gaps") == 1);
  CHECK(world.asked("SCAN").size() == 1);
  world.hear("doc:1");
  CHECK(world.asked("UNLINK") == Words{"doc:1"});
}
