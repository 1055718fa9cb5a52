#include "cluster_world.hpp"

#include "tiercache_process.hpp"

#include <set>
#include <sstream>
#include <stdexcept>

namespace tiercache::testing {

namespace {

void expect_ok(const Value& reply, const char* what) {
  if (reply.text != "OK") {
    throw std::runtime_error(std::string(what) + ": " + reply.to_string());
  }
}

}  // namespace

ClusterWorld::ClusterWorld(std::size_t masters, std::size_t replicas)
    // Nobody is to be taken for dead because the machine is slow, where nobody can take over.
    : node_timeout_ms_(replicas == 0 ? "30000" : "4000"), owners_(kSlots) {
  for (std::size_t i = 0; i < masters + replicas; i++) {
    launch();
  }
  for (std::size_t i = 0; i < masters; i++) {
    const std::size_t from = kSlots * i / masters;
    const std::size_t to = kSlots * (i + 1) / masters - 1;
    expect_ok(control(i).call("CLUSTER", "ADDSLOTSRANGE", std::to_string(from), std::to_string(to)),
              "ADDSLOTSRANGE");
    for (std::size_t slot = from; slot <= to; slot++) {
      owners_[slot] = i;
    }
    control(i).call("CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1));
  }
  for (std::size_t i = 1; i < size(); i++) {
    introduce(i);
  }
  wait_settled(size());
  for (std::size_t i = masters; i < size(); i++) {
    expect_ok(control(i).call("CLUSTER", "REPLICATE", id(i - masters)), "REPLICATE");
  }
  for (std::size_t i = masters; i < size(); i++) {
    if (!eventually([&] {
          return control(i).call("INFO", "replication").text.find("master_link_status:up") !=
                 std::string::npos;
        })) {
      throw std::runtime_error("a replica does not follow");
    }
  }
}

long ClusterWorld::asked() {
  long calls = 0;
  for (std::size_t i = 0; i < size(); i++) {
    const std::string info = control(i).call("INFO", "commandstats").text;
    const std::string name = "cmdstat_cluster|nodes:calls=";
    const auto at = info.find(name);
    calls += at == std::string::npos ? 0 : std::stol(info.substr(at + name.size()));
  }
  return calls;
}

void ClusterWorld::launch() {
  const std::uint16_t bus = free_port();
  servers_.push_back(std::make_unique<RedisServer>(std::vector<std::string>{
      "--cluster-enabled", "yes", "--cluster-port", std::to_string(bus), "--cluster-node-timeout",
      node_timeout_ms_, "--cluster-require-full-coverage", "no",
      "--cluster-allow-replica-migration", "no", "--repl-diskless-sync-delay", "0", "--hz", "50"}));
  bus_ports_.push_back(bus);
  controls_.push_back(nullptr);
}

Client& ClusterWorld::control(std::size_t index) {
  auto& client = controls_.at(index);
  if (!client) {
    client = std::make_unique<Client>(server(index).port(), std::chrono::seconds(30));
  }
  return *client;
}

void ClusterWorld::introduce(std::size_t index) {
  expect_ok(control(index).call("CLUSTER", "MEET", "127.0.0.1", std::to_string(server(0).port()),
                                std::to_string(bus_ports_[0])),
            "MEET");
}

void ClusterWorld::wait_settled(std::size_t known) {
  for (std::size_t i = 0; i < size(); i++) {
    if (!eventually([&] {
          const std::string info = control(i).call("CLUSTER", "INFO").text;
          const std::string nodes = control(i).call("CLUSTER", "NODES").text;
          return info.find("cluster_state:ok") != std::string::npos &&
                 info.find("cluster_known_nodes:" + std::to_string(known)) != std::string::npos &&
                 info.find("cluster_slots_ok:16384") != std::string::npos &&
                 nodes.find("handshake") == std::string::npos;
        })) {
      throw std::runtime_error("the cluster does not form");
    }
  }
}

std::size_t ClusterWorld::add() {
  launch();
  introduce(size() - 1);
  wait_settled(size());
  return size() - 1;
}

void ClusterWorld::wait_agreed() {
  const auto all_agree = [&] {
    std::set<std::string> views;
    for (std::size_t i = 0; i < size(); i++) {
      std::istringstream lines(control(i).call("CLUSTER", "NODES").text);
      std::set<std::string> view;
      for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::vector<std::string> parts;
        for (std::string word; words >> word;) {
          parts.push_back(word);
        }
        std::string slots = parts.at(0);
        for (std::size_t part = 8; part < parts.size(); part++) {
          slots += parts[part].starts_with('[') ? "" : " " + parts[part];
        }
        view.insert(slots);
      }
      std::string text;
      for (const std::string& one : view) {
        text += one + "\n";
      }
      views.insert(text);
    }
    return views.size() == 1;
  };
  if (!eventually(all_agree)) {
    throw std::runtime_error("the servers do not agree on the slots");
  }
}

void ClusterWorld::forget(std::size_t index) {
  const std::string gone = id(index);
  server(index).kill9();
  for (std::size_t i = 0; i < size(); i++) {
    if (i != index) {
      expect_ok(control(i).call("CLUSTER", "FORGET", gone), "FORGET");
    }
  }
}

std::string ClusterWorld::id(std::size_t index) {
  return control(index).call("CLUSTER", "MYID").text;
}

std::uint16_t ClusterWorld::slot(const std::string& key) {
  return static_cast<std::uint16_t>(control(0).call("CLUSTER", "KEYSLOT", key).integer);
}

long ClusterWorld::epoch(std::size_t index, const std::string& whose) {
  const std::string name = "cluster_" + whose + "_epoch:";
  const std::string info = control(index).call("CLUSTER", "INFO").text;
  return std::stol(info.substr(info.find(name) + name.size()));
}

void ClusterWorld::begin_move(std::uint16_t slot, std::size_t to) {
  const std::size_t from = owners_.at(slot);
  const std::string number = std::to_string(slot);
  // Who takes a slot must know the giver's epoch, or its claim counts for less and it gives it
  // back.
  if (!eventually([&] { return epoch(to, "current") >= epoch(from, "my"); })) {
    throw std::runtime_error("the servers do not hear of each other's epochs");
  }
  expect_ok(control(to).call("CLUSTER", "SETSLOT", number, "IMPORTING", id(from)), "IMPORTING");
  expect_ok(control(from).call("CLUSTER", "SETSLOT", number, "MIGRATING", id(to)), "MIGRATING");
}

void ClusterWorld::end_move(std::uint16_t slot, std::size_t to) {
  const std::size_t from = owners_.at(slot);
  const std::string number = std::to_string(slot);
  for (;;) {
    const Value keys = control(from).call("CLUSTER", "GETKEYSINSLOT", number, "10");
    if (keys.items.empty()) {
      break;
    }
    std::vector<std::string> migrate{
        "MIGRATE", "127.0.0.1", std::to_string(server(to).port()), "", "0", "20000", "KEYS"};
    for (const Value& key : keys.items) {
      migrate.push_back(key.text);
    }
    const Value moved = control(from).call(migrate);
    if (moved.text != "OK" && moved.text != "NOKEY") {
      throw std::runtime_error("MIGRATE: " + moved.to_string());
    }
  }
  const std::string owner = id(to);
  expect_ok(control(to).call("CLUSTER", "SETSLOT", number, "NODE", owner), "SETSLOT NODE");
  expect_ok(control(from).call("CLUSTER", "SETSLOT", number, "NODE", owner), "SETSLOT NODE");
  owners_[slot] = to;
}

void ClusterWorld::take(std::uint16_t slot, std::size_t to) {
  const std::size_t from = owners_.at(slot);
  const std::string number = std::to_string(slot);
  if (!eventually([&] { return epoch(to, "current") >= epoch(from, "my"); })) {
    throw std::runtime_error("the servers do not hear of each other's epochs");
  }
  // Who ends an import by itself gets a new epoch, so its claim counts for more.
  expect_ok(control(to).call("CLUSTER", "SETSLOT", number, "IMPORTING", id(from)), "IMPORTING");
  expect_ok(control(to).call("CLUSTER", "SETSLOT", number, "NODE", id(to)), "SETSLOT NODE");
  owners_[slot] = to;
  wait_agreed();
}

void ClusterWorld::drop(std::uint16_t slot) {
  const std::string number = std::to_string(slot);
  const std::size_t owner = owners_.at(slot);
  expect_ok(control(owner).call("CLUSTER", "DELSLOTS", number), "DELSLOTS");
  // What the master has said before may yet arrive somewhere, and counts there.
  const auto all_know = [&] {
    bool all = true;
    for (std::size_t i = 0; i < size(); i++) {
      if (control(i).call("CLUSTER", "INFO").text.find("cluster_slots_assigned:16383") ==
          std::string::npos) {
        control(i).call("CLUSTER", "DELSLOTS", number);
        all = false;
      }
    }
    return all;
  };
  if (!eventually(all_know)) {
    throw std::runtime_error("the servers do not forget who had the slot");
  }
}

void ClusterWorld::serve(std::uint16_t slot, std::size_t master) {
  expect_ok(control(master).call("CLUSTER", "ADDSLOTS", std::to_string(slot)), "ADDSLOTS");
  owners_[slot] = master;
  wait_agreed();
}

std::string ClusterWorld::addresses() const {
  std::string list;
  for (const auto& one : servers_) {
    list += (list.empty() ? "" : " ") + address(one->port());
  }
  return list;
}

}  // namespace tiercache::testing
