// A proxy that is wrong on purpose, in one way at a time: the checker must notice each. It relays
// every command to Redis, one at a time, but for its fault.
//
// Owner: the test. A thread for each connection; stops and joins them when it goes.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tiercache::testing {

enum class ProxyFault : std::uint8_t {
  none,
  stale_reads,     // a GET is answered from memory for a while, whatever has been written since
  torn_mget,       // MGET is answered value by value
  forgets_watch,   // WATCH is answered but not sent
  flips_bits,      // now and then a value has a wrong byte
  drops_writes,    // now and then a SET is answered but not sent
  short_reads,     // now and then a value has lost its end
  survives_flush,  // a GET of what is gone is answered with the last value known
};

class FaultyProxy {
 public:
  FaultyProxy(std::uint16_t redis_port, ProxyFault fault);
  ~FaultyProxy();
  FaultyProxy(const FaultyProxy&) = delete;
  FaultyProxy& operator=(const FaultyProxy&) = delete;

  std::uint16_t port() const {
    return port_;
  }

 private:
  class Relay;
  void accept_all();
  void serve(int fd);

  std::uint16_t redis_port_;
  ProxyFault fault_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::thread acceptor_{};

  std::mutex mutex_{};
  std::vector<std::thread> threads_{};
  std::vector<int> sockets_{};
  struct Remembered {
    std::string reply;
    std::int64_t until;
  };
  std::map<std::string, Remembered> remembered_{};
};

}  // namespace tiercache::testing
