// The proxy room alone, in this process, in front of a real redis-server: workers, listener, links,
// event link. What the server room wires for the program, small enough to see through.
//
// Owner: the test. Its threads end with it.
#pragma once

#include "redis_server.hpp"

#include "tiercache/coherence/cache.hpp"
#include "tiercache/config/config.hpp"
#include "tiercache/l2/events.hpp"
#include "tiercache/l2/fences.hpp"
#include "tiercache/l2/links.hpp"
#include "tiercache/proxy/listener.hpp"
#include "tiercache/proxy/user_watch.hpp"
#include "tiercache/proxy/worker.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

namespace tiercache::testing {

class ProxyFixture {
 public:
  struct Options {
    unsigned workers = 1;
    bool events = true;  // without: L1 serves nothing
    std::function<void(config::Config&)> tune;
  };

  explicit ProxyFixture(std::uint16_t redis_port) : ProxyFixture(redis_port, Options{}) {
  }
  ProxyFixture(std::uint16_t redis_port, const Options& options);
  ~ProxyFixture();
  ProxyFixture(const ProxyFixture&) = delete;
  ProxyFixture& operator=(const ProxyFixture&) = delete;

  std::uint16_t port() const {
    return listener_->port();
  }
  coherence::Cache& cache() {
    return *cache_;
  }
  std::uint64_t sum(stats::Counter counter) const {
    return registry_.sum()[static_cast<std::size_t>(counter)];
  }
  std::uint64_t hits() const {
    return sum(stats::Counter::l1_hits);
  }
  proxy::Hub& hub() {
    return hub_;
  }
  std::size_t sessions() const;
  void begin_drain();
  // Waits until L1 serves; throws after a minute.
  void wait_live();
  // Waits until `done`; false after a minute.
  static bool eventually(const std::function<bool()>& done);

 private:
  struct Thread {
    boost::asio::io_context io{1};
    std::unique_ptr<l2::Links> links;
    std::unique_ptr<l2::FenceGate> gate;
    std::unique_ptr<proxy::Worker> worker;
    std::thread thread;
  };

  stats::Registry registry_;
  proxy::Hub hub_;
  proxy::NoExtensions extensions_;
  l2::Fences fences_;
  std::unique_ptr<coherence::Cache> cache_;
  std::unique_ptr<boost::asio::io_context> control_;
  std::unique_ptr<l2::Events> events_;
  std::unique_ptr<proxy::UserWatch> users_;
  std::unique_ptr<proxy::Listener> listener_;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::thread control_thread_;
};

}  // namespace tiercache::testing
