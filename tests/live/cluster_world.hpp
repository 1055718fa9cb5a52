// A Redis Cluster of real servers: masters that share the slots evenly, and a replica for each if
// wanted. Owner: the test, one thread at a time. Every wait is bounded (60 s).
#pragma once

#include "client.hpp"
#include "redis_server.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tiercache::testing {

class ClusterWorld {
 public:
  static constexpr std::size_t kSlots = 16384;

  // Throws std::runtime_error if they do not come to know each other.
  explicit ClusterWorld(std::size_t masters = 3, std::size_t replicas = 0);

  // Masters first, then the replica of each.
  RedisServer& server(std::size_t index) {
    return *servers_.at(index);
  }
  std::size_t size() const {
    return servers_.size();
  }
  // A further master, without slots; returns its index.
  std::size_t add();
  // Until all servers say the same of who has which slots.
  void wait_agreed();
  // How often the servers were asked for CLUSTER NODES, by whomever.
  long asked();
  // It is killed, and every other server forgets it.
  void forget(std::size_t index);

  std::uint16_t slot(const std::string& key);
  // Which master had the slot when this was made, or was given it by move().
  std::size_t owner(std::uint16_t slot) const {
    return owners_.at(slot);
  }
  std::size_t owner_of(const std::string& key) {
    return owner(slot(key));
  }
  Client direct(const std::string& key) {
    return Client(server(owner_of(key)).port());
  }
  // The slot and its keys go to another master, as redis-cli --cluster does it; in two halves.
  void begin_move(std::uint16_t slot, std::size_t to);
  void end_move(std::uint16_t slot, std::size_t to);
  void move(std::uint16_t slot, std::size_t to) {
    begin_move(slot, to);
    end_move(slot, to);
  }
  // A master takes the slot without its keys, as after a split: the other deletes what it has.
  void take(std::uint16_t slot, std::size_t to);
  // Nobody serves the slot, whose keys stay where they are; until a master does again.
  void drop(std::uint16_t slot);
  void serve(std::uint16_t slot, std::size_t master);

  // For upstream.nodes.
  std::string addresses() const;
  static std::string address(std::uint16_t port) {
    return "127.0.0.1:" + std::to_string(port);
  }

 private:
  void launch();
  void introduce(std::size_t index);
  void wait_settled(std::size_t known);
  std::string id(std::size_t index);
  long epoch(std::size_t index, const std::string& whose);
  Client& control(std::size_t index);

  const std::string node_timeout_ms_;
  std::vector<std::unique_ptr<RedisServer>> servers_;
  std::vector<std::uint16_t> bus_ports_;
  std::vector<std::unique_ptr<Client>> controls_;
  std::vector<std::size_t> owners_;
};

}  // namespace tiercache::testing
