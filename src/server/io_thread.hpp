// One I/O thread: its event loop, its links, its fence gate, its worker.
//
// Made and destroyed on the main thread, while the loop does not run.
#pragma once

#include "tiercache/l2/fences.hpp"
#include "tiercache/l2/links.hpp"
#include "tiercache/proxy/worker.hpp"

#include <memory>
#include <thread>

#include <boost/asio/io_context.hpp>

namespace tiercache::server {

struct IoThreadParts {
  proxy::Hub& hub;
  coherence::Cache& cache;
  l2::Fences& fences;
  proxy::Extensions& extensions;
  stats::Registry& registry;
  std::shared_ptr<const config::Config> config;
  const l2::LinksConfig& links;
  std::uint64_t seed = 0;
  std::uint32_t index = 0;
};

class IoThread {
 public:
  explicit IoThread(const IoThreadParts& parts);
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  void start();
  // Ends the loop wherever it is, and waits for it. No-op if it does not run.
  void stop();
  proxy::Worker& worker() noexcept {
    return *worker_;
  }

 private:
  l2::LinksConfig links_config(l2::LinksConfig config);

  const std::uint32_t index_;
  // Sockets and timers are made and used on this thread only; other threads only post.
  boost::asio::io_context io_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
  std::unique_ptr<l2::Links> links_;
  std::unique_ptr<l2::FenceGate> gate_;
  std::unique_ptr<proxy::Worker> worker_;
  std::thread thread_;
};

}  // namespace tiercache::server
