// A master, a replica that is behind, and the proxy's L1 (the real Cache and CatchUp) between them
// and a few clients, taken through a random schedule. Two keys that are always written together;
// the value of each is the number of writes so far. Pure; one thread.
#pragma once

#include "tiercache/coherence/cache.hpp"
#include "tiercache/coherence/catch_up.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace tiercache::coherence::testing {

// Each can be left out, to see what it is for.
struct CatchUpRules {
  bool mark_writes = true;
  bool mark_reads = true;    // of the master
  bool mark_scripts = true;  // which write keys that they do not name
  bool compare = true;       // the replica's offset with the master's
  bool await_events = true;  // of the replica
  bool sole = true;          // what the master answers is kept alone
  bool multi_waits = true;   // several keys are told together only if none is behind
};

class CatchUpWorld {
 public:
  CatchUpWorld(const CatchUpRules& rules, std::uint64_t seed);

  // False: a client was shown the past, or two keys of two moments.
  bool run();
  std::uint64_t of_replica = 0;  // reads that it answered
  std::uint64_t hits = 0;
  std::uint64_t hits_behind = 0;  // of keys of which the master has shown more than the replica has

 private:
  static constexpr std::size_t kClients = 3;
  enum class What : std::uint8_t { read, multi, write, script };
  enum class At : std::uint8_t { idle, sent, served, joined, fenced };
  struct Client {
    std::vector<What> todo;
    At at = At::idle;
    What what = What::read;
    std::size_t key = 0;
    std::uint16_t command = 0;
    bool to_master = false;
    FlightId flight = 0;  // 0: none
    std::uint64_t value = 0;
    std::uint64_t wait = 0;  // for this PING
    std::uint64_t fenced_by = 0;
    std::array<std::uint64_t, 2> floor{};  // what had been shown when its request began
  };
  enum class Round : std::uint8_t { resting, asked, told, there, ping_there };

  void serve(std::size_t client);
  void begin(Client& client);
  void ask(std::size_t client);
  void ask_both(Client& client);
  void end(std::size_t client);
  void end_read(std::size_t client);
  void show(Client& client, std::size_t key, std::uint64_t value);
  void step_round();
  void step_ping();
  void apply_event();
  Place place(std::size_t client);
  l1::Key key(std::size_t index) const;

  const CatchUpRules rules_;
  std::mt19937_64 random_;
  Cache cache_;
  CatchUp catch_up_;
  std::array<Client, kClients> clients_;
  std::array<std::uint64_t, kClients * 2> sent_{};  // by link
  unsigned direct_ = 0;
  std::uint64_t master_ = 0;
  std::uint64_t replica_ = 0;
  std::uint64_t events_ = 0;           // two for each write
  std::optional<std::uint64_t> ping_;  // the events before its answer
  std::uint64_t pings_ = 1;
  Round round_ = Round::resting;
  std::uint64_t question_ = 0;
  std::uint64_t length_ = 0;
  std::uint64_t fence_ = 0;
  std::array<std::uint64_t, 2> shown_{};
  bool right_ = true;
};

}  // namespace tiercache::coherence::testing
