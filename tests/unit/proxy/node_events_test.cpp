// A subscriber to keyspace events over a Cluster.
#include "fake_upstream.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy;
using namespace tiercache::proxy::testing;

TEST_CASE("the end of a message that is put aside lets the request go on that has waited for it") {
  Rig rig;
  rig.hub.on_redirect = [](const auto&) {
  };
  FakeLinks* other = nullptr;
  Worker& worker = *rig.threads[0]->worker;
  worker.add_lane(
      [&](Worker&) {
        auto links = std::make_unique<FakeLinks>(500);
        other = links.get();
        return links;
      },
      [](Worker&) { return std::make_unique<FakeGate>(); }, rig.cache);
  auto map = std::make_shared<topology::SlotMap>();
  map->node_of.fill(0);
  map->node_of[topology::slot_of("k")] = 1;
  map->nodes = {config::Endpoint{}, config::Endpoint{}};
  map->names.resize(2);
  worker.set_slot_map(map);
  rig.run();
  REQUIRE(other != nullptr);

  TestClient client(rig);
  client.send("PSUBSCRIBE __keyspace@0__:*");
  const std::string confirmed = "3\r\n$10\r\npsubscribe\r\n$16\r\n__keyspace@0__:*\r\n:1\r\n";
  REQUIRE(other->owned.size() == 1);
  other->owned.back()->frame(">" + confirmed, true);
  rig.run();
  rig.own().frame("*" + confirmed);
  rig.run();
  CHECK(client.read() == "*" + confirmed);

  // It is the other node's to tell.
  const std::string event =
      "*4\r\n$8\r\npmessage\r\n$16\r\n__keyspace@0__:*\r\n$16\r\n__keyspace@0__:k\r\n$3\r\nset\r\n";
  rig.own().frame_piece(event.substr(0, 70));
  client.send("CACHE STATS");
  CHECK(client.read().empty());
  rig.own().frame(event.substr(70));
  rig.run();
  CHECK(client.read().starts_with("-ERR Can't execute 'cache"));
}
