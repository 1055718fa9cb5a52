// Invalidations that are answered and not carried out yet: what requests make of them. Nobody
// carries these out but the test.
#include "../l2/fake_events.hpp"
#include "../proxy/fake_source.hpp"
#include "../proxy/fake_upstream.hpp"
#include "schedule_parts.hpp"

#include "tiercache/proxy/invalidations.hpp"
#include "tiercache/proxy/loads.hpp"

#include <deque>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::invalidation::testing;
using namespace tiercache::proxy::testing;
using proxy::Invalidations;

namespace {

Invalidations::Pending of_prefix(const std::string& prefix, bool softens = false) {
  return {prefix + (softens ? ",soft" : ""), 0, softens, [prefix](std::string_view key) {
            return key.starts_with(prefix);
          }};
}

// The keys that are to be let go of, oldest first.
struct LetGo {
  struct Key {
    std::uint32_t db;
    std::string key;
    bool softens;
  };
  std::deque<Key> keys;

  explicit LetGo(Invalidations& invalidations) : invalidations_(invalidations) {
    invalidations.set_let_go([this](std::uint32_t db, std::string key, bool softens) {
      keys.push_back({db, std::move(key), softens});
    });
  }
  void end(bool done = true) {
    const Key key = keys.front();
    keys.pop_front();
    invalidations_.end(key.db, key.key, done, Invalidations::Memory::keep);
  }

 private:
  Invalidations& invalidations_;
};

struct World {
  proxy::Hub hub;
  Invalidations invalidations{hub};
  LetGo let_go{invalidations};
  std::vector<Invalidations::Number> woken;

  // Of a key that a source has too.
  Invalidations::Met meet(std::string_view key, Invalidations::Number upto = 0) {
    const Invalidations::Key one{0, key, true};
    return invalidations.meet({&one, 1}, upto,
                              [this](Invalidations::Number to) { woken.push_back(to); });
  }
};

// Sessions, and a source.
struct SessionWorld {
  Rig rig;
  Invalidations& invalidations;
  LetGo let_go;
  FakeSource* source = nullptr;

  SessionWorld()
      : rig(1, [](config::Config& config) { config = with_source({}); }),
        invalidations(make(rig.hub)),
        let_go(invalidations) {
    rig.hub.loads = std::make_shared<proxy::Loads>(
        with_source({}), rig.hub, [this](const l3::SourceConfig&, const std::vector<l3::Query>&) {
          auto made = std::make_unique<FakeSource>();
          source = made.get();
          return made;
        });
    rig.hub.add_node({nullptr, rig.cache, fences_, events_});
  }
  ~SessionWorld() {
    invalidations.set_let_go({});
  }

 private:
  static Invalidations& make(proxy::Hub& hub) {
    hub.invalidations = std::make_shared<Invalidations>(hub);
    return *hub.invalidations;
  }
  l2::Fences fences_;
  l2::testing::FakeEvents events_;  // nobody asks it
};

}  // namespace

TEST_CASE("a key is made clean once for each invalidation, and then is") {
  World world;
  CHECK(world.hub.newest_invalidation.load() == 0);
  const auto first = world.invalidations.publish(of_prefix("a"));
  CHECK(world.hub.newest_invalidation.load() == first.number);
  CHECK_FALSE(world.meet("b1").waits);
  CHECK(world.meet("a1").waits);
  CHECK(world.meet("a1").waits);  // both for the same
  REQUIRE(world.let_go.keys.size() == 1);
  CHECK(world.let_go.keys[0].key == "a1");
  CHECK_FALSE(world.let_go.keys[0].softens);
  world.let_go.end();
  CHECK(world.woken == std::vector<Invalidations::Number>{first.number, first.number});
  CHECK_FALSE(world.meet("a1").waits);
  // Another one that selects it.
  const auto second = world.invalidations.publish(of_prefix("a1", true));
  CHECK(world.meet("a1").waits);
  REQUIRE(world.let_go.keys.size() == 1);
  CHECK(world.let_go.keys[0].softens == false);  // as the older one wants
  world.let_go.end();
  CHECK(world.woken.back() == second.number);
  CHECK(world.invalidations.retire(first.id, first.number) == 0);
  CHECK(world.invalidations.retire(second.id, second.number) == 0);
  CHECK(world.hub.newest_invalidation.load() == 0);
}

TEST_CASE("what was begun before an invalidation does not count for it") {
  World world;
  world.invalidations.publish(of_prefix("a"));
  CHECK(world.meet("a1").waits);
  const auto second = world.invalidations.publish(of_prefix("a1"));
  CHECK(world.meet("a1").waits);
  REQUIRE(world.let_go.keys.size() == 1);
  world.let_go.end();
  CHECK(world.woken == std::vector<Invalidations::Number>{1, 0});
  CHECK(world.meet("a1", 1).waits);
  world.let_go.end();
  CHECK(world.woken.back() == second.number);
}

TEST_CASE("a key that cannot be made clean is not taken for clean") {
  World world;
  world.invalidations.publish(of_prefix("a"));
  CHECK(world.meet("a1").waits);
  world.let_go.end(false);
  CHECK(world.woken == std::vector<Invalidations::Number>{Invalidations::kFailed});
  CHECK(world.meet("a1").waits);
}

TEST_CASE("so many are pending and no more; the same again renews one") {
  World world;
  std::vector<Invalidations::Published> published;
  for (std::size_t i = 0; i < Invalidations::kMost; i++) {
    published.push_back(world.invalidations.publish(of_prefix("a" + std::to_string(i))));
    CHECK(published.back().id != 0);
  }
  CHECK(world.invalidations.publish(of_prefix("b")).id == 0);
  const auto again = world.invalidations.publish(of_prefix("a0"));
  CHECK(again.id == published[0].id);
  CHECK(again.number > published.back().number);
  CHECK(world.invalidations.retire(published[0].id, published[0].number) == again.number);
  CHECK(world.invalidations.retire(again.id, again.number) == 0);
  CHECK(world.invalidations.publish(of_prefix("b")).id != 0);
  CHECK(world.invalidations.lines().size() == Invalidations::kMost);
}

TEST_CASE(
    "the walk leaves alone what a request has made clean, and waits for what it is about to") {
  World world;
  const auto published = world.invalidations.publish(of_prefix("a"));
  int again = 0;
  const auto claim = [&](const std::string& key) {
    return world.invalidations.claim(published.number, 0, key, [&] { again++; });
  };
  using Claim = Invalidations::Claim;
  CHECK(world.meet("a1").waits);
  CHECK(claim("a1") == Claim::busy);
  world.let_go.end();
  CHECK(again == 1);
  CHECK(claim("a1") == Claim::clean);
  // And requests wait for what the walk does.
  CHECK(claim("a2") == Claim::mine);
  CHECK(world.meet("a2").waits);
  CHECK(world.let_go.keys.empty());
  world.invalidations.end(0, "a2", true, Invalidations::Memory::forget);
  CHECK(world.woken.back() == published.number);
  CHECK(claim("a2") == Claim::clean);
  CHECK(claim("a3") == Claim::mine);
  world.invalidations.end(0, "a3", true, Invalidations::Memory::forget);
  CHECK(claim("a3") == Claim::mine);
}

TEST_CASE("beyond the keys that are remembered each is made clean whenever it is named") {
  World world;
  const auto published = world.invalidations.publish(of_prefix("a"));
  const std::string large(Invalidations::kClean / 2, 'x');
  for (const std::string& key : {"a1" + large, "a2" + large}) {
    CHECK(world.meet(key).waits);
    world.let_go.end();
  }
  CHECK_FALSE(world.meet("a1" + large).waits);
  CHECK(world.meet("a2" + large).waits);
  // The request that has waited for it is through.
  CHECK_FALSE(world.meet("a2" + large, published.number).waits);
  world.let_go.end();
  // What is older than all that is pending is forgotten for newer ones.
  world.invalidations.publish(of_prefix("a"));
  CHECK(world.meet("a2" + large).waits);
  world.let_go.end();
  CHECK_FALSE(world.meet("a2" + large).waits);
}

TEST_CASE("L1's entries of a pending invalidation are not served, before anybody has walked it") {
  SessionWorld world;
  TestClient client(world.rig);
  client.send("GET k\r\nGET other");
  world.rig.fill("$3\r\nold\r\n");
  world.rig.fill("$3\r\nold\r\n");
  client.send("GET k");
  CHECK(client.read() == "$3\r\nold\r\n$3\r\nold\r\n$3\r\nold\r\n");
  // One is under way.
  client.send("GET late");
  world.invalidations.publish(of_prefix("k"));
  world.invalidations.publish(of_prefix("late"));
  TestClient second(world.rig);
  second.send("GET late\r\nGET k\r\nGET other");
  CHECK(world.rig.pending() == "PTTL late, GET late, PTTL late, GET late, PTTL k, GET k");
  for (const char* value : {"$3\r\nold\r\n", "$3\r\nnew\r\n", "$3\r\nnew\r\n"}) {
    world.rig.fill(value);
  }
  CHECK(client.read() == "$3\r\nold\r\n");
  CHECK(second.read() == "$3\r\nnew\r\n$3\r\nnew\r\n$3\r\nold\r\n");
  // Clean, they are kept again.
  second.send("GET k");
  CHECK(second.read() == "$3\r\nnew\r\n");
}

TEST_CASE("a request waits until Redis has let go of a source's key, and no other key") {
  SessionWorld world;
  TestClient client(world.rig);
  world.invalidations.publish(of_prefix("doc:"));
  for (const std::string request : {"GET doc:1", "MGET x doc:2", "TTL doc:3", "APPEND doc:4 x"}) {
    CAPTURE(request);
    client.send(request);
    CHECK(world.rig.threads[0]->links.living().empty() == (request == "GET doc:1"));
    REQUIRE(world.let_go.keys.size() == 1);
    world.let_go.end();
    world.rig.run();
    CHECK(world.rig.pending().find(request) != std::string::npos);
    while (!world.rig.link().pending.empty()) {
      world.rig.reply("-ERR whatever\r\n");
    }
    CHECK_FALSE(client.read().empty());
  }
  client.send("GET doc:1\r\nSET y 1");
  CHECK(world.let_go.keys.empty());
  CHECK(world.rig.pending() == "PTTL doc:1, GET doc:1, SET y 1");
}

TEST_CASE("what Redis does not let go of is asked of the source, or is an error") {
  SessionWorld world;
  TestClient client(world.rig);
  world.invalidations.publish(of_prefix("doc:"));
  client.send("GET doc:1");
  world.let_go.end(false);
  world.rig.run();
  world.rig.acknowledge();
  REQUIRE(world.source->queries.size() == 1);
  world.source->queries[0].load.done({l3::Loaded::Kind::value, "new"});
  world.rig.run();
  CHECK(client.read() == "$3\r\nnew\r\n");
  client.send("MGET doc:1 doc:2");
  REQUIRE(world.let_go.keys.size() == 2);
  world.let_go.end(false);
  world.let_go.end();
  world.rig.run();
  CHECK(client.read() ==
        "-ERR tiercache: a key of it is invalidated, and Redis does not let go of its copy\r\n");
}

TEST_CASE("a transaction whose commands were queued before waits for their keys") {
  SessionWorld world;
  TestClient client(world.rig);
  client.send("MULTI");
  world.rig.own().frame("+OK\r\n");
  client.send("GET doc:1");
  world.rig.own().frame("+QUEUED\r\n");
  world.rig.run();
  world.invalidations.publish(of_prefix("doc:"));
  client.send("EXEC");
  REQUIRE(world.let_go.keys.size() == 1);
  CHECK(world.let_go.keys[0].key == "doc:1");
  CHECK(world.rig.own().raw.back() != "EXEC");
  world.let_go.end();
  world.rig.run();
  CHECK(world.rig.own().raw.back() == "EXEC");
}
