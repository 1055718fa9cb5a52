// Two Redis servers that get the same commands: the twin, and one whose clients come through
// tiercache. A request goes to the twin alone first, so that it is known how many replies it has;
// then the whole pipeline goes to the other, and the replies must be equal.
//
// Owner: the run, one thread. Every wait is bounded.
#pragma once

#include "client.hpp"
#include "command_samples.hpp"
#include "model.hpp"
#include "redis_server.hpp"
#include "stream.hpp"
#include "tiercache_process.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tiercache::twin {

enum class L1 : std::uint8_t { on, off, tiny };

struct Difference {
  std::size_t step = 0;
  std::string what;
  std::string expected;
  std::string actual;
};

// What was sent, by command, and how much of it was answered without an error.
struct Tally {
  struct Count {
    std::uint64_t sent = 0;
    std::uint64_t done = 0;
  };
  std::map<std::string, Count> commands{};
  std::uint64_t requests = 0;
};

class Pair {
 public:
  struct Options {
    L1 l1 = L1::on;
    int version = 2;
    bool planted = false;  // the twin is configured otherwise
    bool proxy = true;     // without: two plain servers, which shows whether the rules are right
  };
  explicit Pair(const Options& options);

  // For the samples, which ask it for its documentation.
  testing::Client& twin_direct() {
    return twin_.direct;
  }
  void use(const testing::CommandSamples& samples) {
    samples_ = &samples;
  }
  // Both servers as new, then the steps; what is found first. REQUIRES: use().
  std::optional<Difference> run(const std::vector<Step>& steps);

  // How long a missing reply is waited for.
  void set_patience(std::chrono::milliseconds patience) {
    patience_ = patience;
  }
  const Tally& tally() const {
    return tally_;
  }
  std::int64_t hits();

 private:
  struct Side {
    Side(std::uint16_t client_port, std::uint16_t server_port);

    std::uint16_t port;    // where clients connect
    std::uint16_t server;  // the Redis behind it
    testing::Client direct;
    testing::Client helper;  // a client in no particular state
    std::vector<testing::Client> clients{};
    std::vector<std::vector<testing::Value>> messages{};  // of each client, since the last look
  };
  struct Sent {
    std::size_t step = 0;
    Words words{};
    Reading reading{};
    std::vector<testing::Value> replies{};
    std::vector<std::string> raw{};
  };
  using Found = std::optional<Difference>;

  void reset();
  void reset(Side& side);
  void populate(Side& side);
  void settle();
  void connect(unsigned client);
  Found run_steps(const std::vector<Step>& steps, std::size_t& at);
  Found batch(unsigned client, const std::vector<const Step*>& steps, std::size_t first);
  Sent ask_twin(unsigned client, const Words& words, std::size_t step);
  Found compare(unsigned client, const Sent& sent);
  // Ends a batch such that nothing is under way: replies on, messages read.
  Found finish(unsigned client, std::size_t step);
  Found direct(const Step& step, std::size_t at);
  Found blocked(const Step& step, std::size_t at);
  void wait_blocked(Side& side, testing::Client& client, std::optional<testing::Value>& early);
  Found compare_state(std::size_t at);

  testing::RedisServer twin_server_;
  testing::RedisServer server_;
  std::optional<testing::TiercacheProcess> proxy_{};
  Options options_;
  Side twin_;
  Side ours_;
  const testing::CommandSamples* samples_ = nullptr;
  std::chrono::milliseconds patience_{60'000};
  std::vector<Model> models_{};
  std::uint64_t marker_ = 0;
  Tally tally_{};
};

}  // namespace tiercache::twin
