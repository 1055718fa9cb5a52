// Clients of a proxy whose master may die under them: writers that count versions of their own
// keys up, readers that judge every reply.
//
// What a reply may be: a value of that very key, no newer than what was begun, and no older than
// the newest version acknowledged before the read was sent. Replication is asynchronous, so a
// disaster takes acknowledged writes with it: from then on only what was asked for and acknowledged
// after it counts. Until the first such write, errors are allowed; from then on none is.
//
// Owner: the test. Its threads are joined when it goes. Any thread may call the rest.
#pragma once

#include "client.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tiercache::testing {

class FailoverLoad {
 public:
  using Clock = std::chrono::steady_clock;

  explicit FailoverLoad(std::uint16_t proxy_port);
  ~FailoverLoad();
  FailoverLoad(const FailoverLoad&) = delete;
  FailoverLoad& operator=(const FailoverLoad&) = delete;

  // Around the death of the master: before it, and when it is dead for certain.
  void begin_disaster();
  void disaster();

  struct Tally {
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
    std::uint64_t errors = 0;            // in the window
    std::vector<std::string> wrong{};    // replies that may not be, and errors outside the window
    bool writes_again = false;           // a write was acknowledged since the disaster
    std::chrono::milliseconds window{};  // from the disaster until then
  };
  // Since the last disaster, or the beginning.
  Tally tally();
  // Ends the writers, then names the keys for which the proxy does not say what this server says.
  std::vector<std::string> differences(std::uint16_t redis_port);

 private:
  static constexpr std::size_t kKeys = 24;
  static constexpr std::size_t kWriters = 2;
  struct Key {
    std::uint64_t begun = 0;
    std::uint64_t acknowledged = 0;  // since the disaster
  };
  struct Asked {
    std::size_t key;
    std::uint64_t least;
    std::uint64_t disasters;
    bool calm;
  };

  void write_all(std::size_t writer);
  void read_all(unsigned seed, std::size_t pipeline);
  template <class Session>
  void repeat(const std::atomic<bool>& stop, Session&& session);
  Asked ask(std::size_t key);
  void judge(const Asked& asked, const Value& reply);
  void failed(const std::string& what, std::uint64_t disasters, bool calm);
  static std::string name(std::size_t key);

  const std::uint16_t port_;
  std::atomic<bool> stop_writers_{false};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<Key> keys_{kKeys};
  std::uint64_t disasters_ = 0;
  bool calm_ = true;    // no error is allowed
  bool dying_ = false;  // an acknowledgement may still be the old master's
  Clock::time_point disaster_{};
  Tally tally_;
  std::vector<std::thread> threads_;
};

}  // namespace tiercache::testing
