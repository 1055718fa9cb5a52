#include "reach.hpp"

#include "key_stream.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

namespace tiercache::warmup {

namespace {

class FakeEvents final : public l2::Events {
 public:
  void start() override {
  }
  void stop() override {
  }
  void relocate(const std::string& /*why*/) override {
  }
  void set_intervals(const l2::EventIntervals& /*intervals*/) override {
  }
  void use_db(std::uint32_t db) override {
    used.push_back(db);
  }
  l2::EventsSnapshot snapshot() const override {
    return {};
  }
  void query(std::uint32_t /*db*/, const std::vector<std::string_view>& args,
             Answer answer) override {
    if (args[0] == "DBSIZE") {
      sizes_asked++;
      answer(l2::Reply{l2::Reply::Kind::integer, "", 7, {}});
      return;
    }
    cursors.emplace_back(args[1]);
    owed.push_back(std::move(answer));
  }

  void answer(const std::string& cursor, const std::vector<std::string>& keys) {
    l2::Reply list{l2::Reply::Kind::array, "", 0, {}};
    for (const std::string& key : keys) {
      list.items.push_back({l2::Reply::Kind::text, key, 0, {}});
    }
    l2::Reply reply{l2::Reply::Kind::array, "", 0, {}};
    reply.items.push_back({l2::Reply::Kind::text, cursor, 0, {}});
    reply.items.push_back(list);
    take()(reply);
  }
  Answer take() {
    REQUIRE(owed.size() == 1);
    Answer answer = std::move(owed.front());
    owed.clear();
    return answer;
  }

  std::vector<std::uint32_t> used;
  std::vector<std::string> cursors;
  std::vector<Answer> owed;
  unsigned sizes_asked = 0;
};

struct FakeNode {
  coherence::Cache cache{coherence::CacheConfig{}};
  l2::Fences fences;
  FakeEvents events;
};

struct World {
  explicit World(std::size_t count, bool cluster = true) {
    for (std::size_t i = 0; i < count; i++) {
      nodes.push_back(std::make_unique<FakeNode>());
      set_live(i, true);
      hub.add_node({nullptr, nodes[i]->cache, nodes[i]->fences, nodes[i]->events});
    }
    if (cluster) {
      seat(std::vector<bool>(count, true));
    }
  }
  // Slots go evenly to the nodes on which somebody sits.
  void seat(const std::vector<bool>& seated) {
    auto map = std::make_shared<topology::SlotMap>();
    std::vector<topology::NodeIndex> sitting;
    for (std::size_t i = 0; i < seated.size(); i++) {
      map->nodes.push_back(seated[i]
                               ? std::optional(config::Endpoint{config::EndpointKind::tcp,
                                                                "n" + std::to_string(i), 1, ""})
                               : std::nullopt);
      if (seated[i]) {
        sitting.push_back(static_cast<topology::NodeIndex>(i));
      }
    }
    for (std::size_t slot = 0; slot < topology::kSlots && !sitting.empty(); slot++) {
      map->node_of[slot] = sitting[slot % sitting.size()];
    }
    hub.set_slot_map(map);
  }
  void set_live(std::size_t node, bool live) {
    nodes[node]->cache.status().set_state(live ? coherence::LinkState::live
                                               : coherence::LinkState::down);
  }

  proxy::Hub hub;
  std::vector<std::unique_ptr<FakeNode>> nodes;
};

using Indexes = std::vector<std::size_t>;
using Texts = std::vector<std::string>;

Texts many() {
  Texts keys;
  for (int i = 0; i < 100; i++) {
    keys.push_back("k" + std::to_string(i));
  }
  return keys;
}

// A scan, and what it has brought.
struct Scan {
  explicit Scan(World& world)
      : reach(std::make_shared<Reach>(world.hub)), stream(make_scan(control, reach, 0, "*")) {
  }
  void ask() {
    stream->next(10, [this](Result<KeyBatch> batch) {
      answers++;
      if (!batch) {
        error = batch.error().detail;
        return;
      }
      last = batch->last;
      size = batch->size;
      for (std::string& key : batch->keys) {
        keys.push_back(std::move(key));
      }
    });
  }

  boost::asio::io_context control;
  std::shared_ptr<Reach> reach;
  std::unique_ptr<KeyStream> stream;
  int answers = 0;
  Texts keys;
  std::string error;
  bool last = false;
  std::uint64_t size = 0;
};

}  // namespace

TEST_CASE("one Redis is one node that has all keys") {
  World world(1, false);
  Reach reach(world.hub);
  CHECK(reach.nodes() == Indexes{0});
  CHECK(reach.deal({"a", "b"}) == std::vector<Texts>{{"a", "b"}, {}});
  reach.use_db(3);
  CHECK(world.nodes[0]->events.used == std::vector<std::uint32_t>{3});
  CHECK(reach.away().empty());
  world.set_live(0, false);
  CHECK(reach.away() == "the event link is not live");
  CHECK(!reach.leave_behind());
}

TEST_CASE("keys go to the node of their slot, those of nobody to the end") {
  World world(3);
  Reach reach(world.hub);
  CHECK(reach.nodes() == Indexes{0, 1, 2});
  const auto parts = reach.deal(many());
  REQUIRE(parts.size() == 4);
  CHECK(parts[3].empty());
  std::size_t dealt = 0;
  for (std::size_t node = 0; node < 3; node++) {
    dealt += parts[node].size();
    CHECK(!parts[node].empty());
    for (const std::string& key : parts[node]) {
      CHECK(topology::slot_of(key) % 3 == node);
    }
  }
  CHECK(dealt == 100);
  world.seat({});
  CHECK(reach.deal({"a"}) == std::vector<Texts>{{"a"}});
  CHECK(reach.away() == "the Cluster's masters are not known");
}

TEST_CASE("a node that stays away is left behind, as long as another lives") {
  World world(3);
  Reach reach(world.hub);
  world.set_live(1, false);
  CHECK(reach.away() == "the event link to n1:1 is not live");
  CHECK(reach.leave_behind());
  CHECK(reach.away().empty());
  CHECK(reach.nodes() == Indexes{0, 2});
  CHECK(!reach.deal(many())[3].empty());
  world.set_live(1, true);
  CHECK(reach.nodes() == Indexes{0, 2});
  world.set_live(0, false);
  world.set_live(2, false);
  CHECK(!reach.leave_behind());
}

TEST_CASE("a scan goes over all nodes, each by its own cursor") {
  World world(3);
  Scan scan(world);
  scan.ask();
  world.nodes[0]->events.answer("7", {"a"});
  scan.ask();
  world.nodes[0]->events.answer("0", {"b"});
  CHECK(!scan.last);
  scan.ask();
  world.nodes[1]->events.answer("0", {});
  CHECK(!scan.last);
  // An error leaves it where it is.
  scan.ask();
  world.nodes[2]->events.take()(Error{ErrorCode::unavailable, "away"});
  CHECK(scan.error == "away");
  scan.ask();
  world.nodes[2]->events.answer("0", {"c"});
  CHECK(scan.last);
  CHECK(scan.keys == Texts{"a", "b", "c"});
  CHECK(world.nodes[0]->events.cursors == Texts{"0", "7"});
  CHECK(world.nodes[2]->events.cursors == Texts{"0", "0"});
  CHECK(scan.size == 3 * 7);
  CHECK(world.nodes[1]->events.sizes_asked == 1);
}

TEST_CASE("nodes come and go during a scan") {
  World world(4);
  world.seat({true, true, false, false});
  Scan scan(world);
  scan.ask();
  // The node goes in the middle: its cursor is nothing to the next one.
  world.seat({false, true, false, false});
  world.nodes[0]->events.answer("5", {"a"});
  CHECK(!scan.last);
  scan.ask();
  CHECK(world.nodes[1]->events.cursors == Texts{"0"});
  world.seat({false, true, false, true});
  world.nodes[1]->events.answer("0", {});
  CHECK(!scan.last);
  // The last one goes: that was all.
  world.seat({false, true, false, false});
  scan.ask();
  CHECK(scan.answers == 2);  // later
  scan.control.run();
  CHECK(scan.last);
  CHECK(scan.answers == 3);
}

TEST_CASE("an answer that comes when the scan is gone is nobody's") {
  World world(1);
  Scan scan(world);
  scan.ask();
  scan.stream.reset();
  world.nodes[0]->events.answer("0", {"a"});
  CHECK(scan.answers == 0);
}

}  // namespace tiercache::warmup
