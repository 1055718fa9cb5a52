#include "tiercache/topology/cluster.hpp"

#include "tiercache/topology/slot_map.hpp"
#include "tiercache/topology/slots.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using namespace tiercache::topology;

namespace {

config::Endpoint at(std::uint16_t port) {
  return {config::EndpointKind::tcp, "10.0.0.1", port, ""};
}

ClusterServer master(std::uint16_t port, std::vector<SlotRange> slots, std::uint64_t epoch = 1) {
  ClusterServer server;
  server.endpoint = at(port);
  server.master = true;
  server.epoch = epoch;
  server.slots = std::move(slots);
  return server;
}

}  // namespace

TEST_CASE("slots are those of Redis, hash tags included") {
  // CLUSTER KEYSLOT said so.
  CHECK(slot_of("123456789") == 12739);
  CHECK(slot_of("") == 0);
  CHECK(slot_of("foo") == 12182);
  CHECK(slot_of("somekey") == 11058);
  CHECK(slot_of("foo{hash_tag}") == 2515);
  CHECK(slot_of("{user1000}.following") == slot_of("user1000"));
  CHECK(slot_of("foo{}{bar}") == slot_of(std::string_view("foo{}{bar}")));
  CHECK(slot_of("foo{}{bar}") != slot_of("bar"));
  CHECK(slot_of("foo{{bar}}zap") == slot_of("{bar"));
  CHECK(slot_of("foo{bar}{zap}") == slot_of("bar"));
  CHECK(slot_of("foo{bar") != slot_of("bar"));
}

TEST_CASE("the slot of a key of any length is what the checksum's definition says") {
  std::string key;
  for (unsigned length = 0; length < 40; length++) {
    unsigned crc = 0;
    for (const char character : key) {
      crc ^= static_cast<unsigned>(static_cast<unsigned char>(character)) << 8U;
      for (int bit = 0; bit < 8; bit++) {
        crc = ((crc << 1U) ^ ((crc & 0x8000U) != 0 ? 0x1021U : 0U)) & 0xffffU;
      }
    }
    CHECK(slot_of(key) == crc % 16384);
    key.push_back(static_cast<char>(0x80 + 37 * length));
  }
}

TEST_CASE("redirects are read") {
  const auto moved = read_redirect("-MOVED 3999 127.0.0.1:6381\r\n");
  REQUIRE(moved);
  CHECK(moved->kind == Redirect::Kind::moved);
  CHECK(moved->slot == 3999);
  CHECK(config::to_string(moved->endpoint) == "127.0.0.1:6381");
  const auto ask = read_redirect("-ASK 1 ::1:7000\r\n");
  REQUIRE(ask);
  CHECK(ask->kind == Redirect::Kind::ask);
  CHECK(ask->endpoint.host == "::1");
  CHECK(ask->endpoint.port == 7000);
  CHECK(read_redirect("-MOVED 1 :7000\r\n")->endpoint.host.empty());
  for (const char* other :
       {"-ERR MOVED 1 h:1\r\n", "-MOVED\r\n", "-MOVED 16384 h:1\r\n", "-MOVED 1 h\r\n",
        "-MOVED 1 h:0\r\n", "-MOVED x h:1\r\n", "-ASK 1 h:99999\r\n", "+OK\r\n", ""}) {
    CHECK(!read_redirect(other));
  }
}

TEST_CASE("CLUSTER NODES is read") {
  const auto read = read_cluster_nodes(
      "aa 127.0.0.1:7002@17002 slave bb 0 1 3 connected\n"
      "bb :7001@17001,name myself,master - 0 0 2 connected 0-5460 5462 [93-<-cc] [7->-aa]\n"
      "cc 127.0.0.1:7003@17003 master,fail - 0 0 7 disconnected 6000-16383\n"
      "dd :0@0 master,noaddr - 0 0 7 disconnected\n"
      "ee 127.0.0.1:7005@17005 handshake - 0 0 0 connected\n",
      at(7001));
  REQUIRE(read);
  const ClusterServers& servers = read.value();
  REQUIRE(servers.size() == 3);
  CHECK(config::to_string(servers[0].endpoint) == "10.0.0.1:7001");
  CHECK(servers[0].master);
  CHECK(servers[0].epoch == 2);
  CHECK(to_string(servers[0].slots) == "0-5460 5462");
  CHECK(servers[0].name == "name");
  CHECK(servers[1].name.empty());
  CHECK(!servers[1].master);
  CHECK(servers[2].failed);
  CHECK(to_string(servers[2].slots) == "6000-16383");
  for (const char* other : {"", "nonsense", "aa 127.0.0.1:1@2 master - 0 0 1 connected\n",
                            "aa 127.0.0.1:1@2 myself,master - 0 0 x connected\n",
                            "aa 127.0.0.1:1@2 myself,master - 0 0 1 connected 5-4\n",
                            "aa 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-16384\n"}) {
    CHECK(!read_cluster_nodes(other, at(1)));
  }
}

TEST_CASE("hints are followed, no more often than every kMinPause, whom they name first") {
  ClusterConfig config;
  config.nodes = {at(1), at(2)};
  Cluster machine(config);
  ClusterActions actions;
  Time now{1000s};
  machine.start(now, actions);
  REQUIRE(actions.ask == at(1));
  machine.on_failed(actions.number, "refused", now, actions);
  REQUIRE(actions.ask == at(2));
  const ClusterServers servers{master(1, {{0, 9}}), master(2, {{10, 16383}})};
  machine.on_answer(actions.number, servers, now, actions);
  CHECK(actions.changed);
  actions.clear();
  machine.on_hint(at(9), now, actions);
  machine.on_hint(std::nullopt, now, actions);
  CHECK(!actions.ask);
  CHECK(machine.next_tick() == now + Cluster::kMinPause);
  now += Cluster::kMinPause;
  machine.on_tick(now, actions);
  CHECK(actions.ask == at(9));
  const std::uint64_t number = actions.number;
  actions.clear();
  machine.on_failed(number, "refused", now, actions);
  CHECK(actions.ask == at(2));  // who answered last
  machine.on_answer(actions.number, servers, now, actions);
  CHECK(!actions.changed);
  CHECK(machine.next_tick() == now + config.poll);
}

TEST_CASE("a cluster that was made anew is believed after a while") {
  ClusterConfig config;
  config.nodes = {at(1)};
  Cluster machine(config);
  ClusterActions actions;
  Time now{1000s};
  machine.start(now, actions);
  machine.on_answer(actions.number, {master(1, {{0, 9}}, 50), master(2, {{10, 16383}}, 40)}, now,
                    actions);
  const ClusterServers anew{master(1, {{0, 16383}}, 1)};
  const Time since = now;
  int rounds = 0;
  while (machine.servers() != anew) {
    REQUIRE(++rounds < 1000);
    actions.clear();
    now = machine.next_tick();
    machine.on_tick(now, actions);
    while (actions.ask) {
      const std::uint64_t number = actions.number;
      actions.clear();
      machine.on_answer(number, anew, now, actions);
    }
  }
  CHECK(now - since >= config.believe_after);
}

TEST_CASE("a server that joins and has not met all others is not believed; slots given up are") {
  ClusterConfig config;
  config.nodes = {at(1)};
  Cluster machine(config);
  ClusterActions actions;
  Time now{1000s};
  machine.start(now, actions);
  const ClusterServers all{master(1, {{0, 9}}, 1), master(2, {{10, 16383}}, 2), master(3, {}, 0)};
  machine.on_answer(actions.number, all, now, actions);
  // Whoever is asked knows the highest epoch, and not who has the first slots.
  const ClusterServers part{master(2, {{10, 16383}}, 2), master(3, {}, 0)};
  const Time since = now;
  bool asked_others = false;
  while (machine.servers() == all) {
    REQUIRE(now < since + 10 * config.believe_after);
    actions.clear();
    now = machine.next_tick();
    machine.on_tick(now, actions);
    for (int asked = 0; actions.ask; asked++) {
      asked_others |= asked > 0;
      const std::uint64_t number = actions.number;
      actions.clear();
      machine.on_answer(number, part, now, actions);
    }
  }
  CHECK(asked_others);
  CHECK(machine.servers() == part);
  CHECK(now - since >= config.believe_after);
}

namespace {

std::vector<NodeIndex> nodes_changed(const SlotMap& before, const SlotMap& after) {
  SlotMoves moves;
  moves.add(before, after);
  std::vector<NodeIndex> nodes;
  for (std::size_t node = 0; node < kMaxNodes; node++) {
    if (moves.nodes[node]) {
      nodes.push_back(static_cast<NodeIndex>(node));
    }
  }
  return nodes;
}

}  // namespace

TEST_CASE("slots that moved add up over several maps, there and back too") {
  const SlotMap first = next_map(SlotMap(), {master(1, {{0, 5000}}), master(2, {{5001, 16383}})});
  const SlotMap moved =
      next_map(first, {master(1, {{1, 5000}}), master(2, {{0, 0}, {5001, 16383}})});
  SlotMoves moves;
  moves.add(first, first);
  CHECK(moves.slots.none());
  CHECK(moves.nodes.none());
  moves.add(first, moved);
  moves.add(moved, first);
  CHECK(moves.slots.count() == 1);
  CHECK(moves.slots[0]);
  CHECK(moves.nodes.count() == 2);
  // Nobody's, and somebody's again.
  const SlotMap lost = next_map(first, {master(2, {{5001, 16383}})});
  SlotMoves gone;
  gone.add(first, lost);
  CHECK(gone.slots.count() == 5001);
  CHECK(gone.nodes.count() == 1);
  CHECK(gone.nodes[0]);
}

TEST_CASE("masters keep their nodes, and a replica that takes over gets its master's") {
  const SlotMap none;
  const SlotMap first = next_map(none, {master(1, {{0, 5000}}), master(2, {{5001, 16383}})});
  REQUIRE(first.nodes.size() == 2);
  CHECK(first.node_of[0] == 0);
  CHECK(first.node_of[16383] == 1);
  CHECK(nodes_changed(none, first) == std::vector<NodeIndex>{0, 1});

  // A new master without slots has a node; a slot moves there.
  const ClusterServers three{master(1, {{0, 5000}}), master(2, {{5001, 16383}}), master(3, {})};
  const SlotMap grown = next_map(first, three);
  CHECK(grown.node_at(at(3)) == 2);
  CHECK(nodes_changed(first, grown).empty());
  const SlotMap moved =
      next_map(grown, {master(1, {{1, 5000}}), master(2, {{5001, 16383}}), master(3, {{0, 0}})});
  CHECK(moved.node_of[0] == 2);
  CHECK(nodes_changed(grown, moved) == std::vector<NodeIndex>{0, 2});

  // Server 4 takes over what 1 had, and 3 has gone.
  ClusterServer failed = master(1, {});
  failed.failed = true;
  const SlotMap after =
      next_map(moved, {failed, master(2, {{0, 0}, {5001, 16383}}), master(4, {{1, 5000}})});
  CHECK(after.nodes.size() == 3);
  CHECK(after.node_at(at(4)) == 0);
  CHECK(after.node_of[1] == 0);
  CHECK(after.node_of[0] == 1);
  CHECK(!after.nodes[2]);

  // Slots that nobody serves.
  const SlotMap part = next_map(after, {master(2, {{7, 7}})});
  CHECK(part.node_of[6] == SlotMap::kNobody);
  CHECK(part.node_of[7] == 1);
}

TEST_CASE("a server announces a name, or none, and whatever else") {
  const auto name = [](const std::string& address) {
    auto read = read_cluster_nodes("aa " + address + " myself,master - 0 0 1 connected\n", at(1));
    REQUIRE(read);
    REQUIRE(read->size() == 1);
    CHECK(read->front().endpoint.port == 7001);
    return read->front().name;
  };
  CHECK(name("127.0.0.1:7001@17001") == "");
  CHECK(name("127.0.0.1:7001") == "");
  CHECK(name("127.0.0.1:7001@17001,one.example") == "one.example");
  CHECK(name("127.0.0.1:7001@17001,one.example,shard-id=ab") == "one.example");
  CHECK(name("127.0.0.1:7001@17001,,shard-id=ab") == "");
  CHECK(name("127.0.0.1:7001@17001,shard-id=ab") == "");
  CHECK(name(":7001@17001," + std::string(config::kMaxHost + 1, 'a')) == "");
}

TEST_CASE("a redirect finds its node by address, by name, or by the port alone") {
  const auto named = [](std::uint16_t port, const std::string& name) {
    ClusterServer server = master(port, {});
    server.name = name;
    return server;
  };
  ClusterServer elsewhere = named(4, "four");
  elsewhere.endpoint.host = "10.0.0.9";
  const SlotMap map =
      next_map(SlotMap(), {named(1, "one"), named(2, "two"), named(3, ""), elsewhere});
  REQUIRE(map.names == std::vector<std::string>{"one", "two", "", "four"});
  const auto find = [&](const std::string& where, NodeIndex from = 0) {
    const auto redirect = read_redirect("-MOVED 7 " + where + "\r\n");
    REQUIRE(redirect);
    return map.node_at(*redirect, from);
  };
  CHECK(find("10.0.0.1:2") == 1);
  CHECK(find("two:2") == 1);
  CHECK(find("two:1") == SlotMap::kNobody);
  CHECK(find("three:3") == SlotMap::kNobody);
  CHECK(find("four:4") == 3);
  // On the host of who says so; only then on another.
  CHECK(find(":3") == 2);
  CHECK(find("?:3", 1) == 2);
  CHECK(find("?:4") == 3);
  CHECK(find(":5") == SlotMap::kNobody);
  CHECK(find(":3", SlotMap::kNobody) == 2);
  // Two of one name: nobody knows which.
  const SlotMap same = next_map(SlotMap(), {named(1, "x"), [&] {
                                              ClusterServer other = named(1, "x");
                                              other.endpoint.host = "10.0.0.9";
                                              return other;
                                            }()});
  CHECK(same.node_at(*read_redirect("-MOVED 7 x:1\r\n"), 0) == SlotMap::kNobody);
  CHECK(same.node_at(*read_redirect("-ASK 7 ?:1\r\n"), 1) == 1);
  CHECK(same.node_at(*read_redirect("-ASK 7 ?:1\r\n"), SlotMap::kNobody) == SlotMap::kNobody);
}

TEST_CASE("masters beyond the most have no node") {
  ClusterServers servers;
  for (std::uint16_t i = 0; i <= kMaxNodes; i++) {
    servers.push_back(master(static_cast<std::uint16_t>(i + 1), {{i, i}}));
  }
  const SlotMap map = next_map(SlotMap(), servers);
  CHECK(map.nodes.size() == kMaxNodes);
  CHECK(map.node_of[kMaxNodes - 1] == kMaxNodes - 1);
  CHECK(map.node_of[kMaxNodes] == SlotMap::kNobody);
}
