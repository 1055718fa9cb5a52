// The program: all rooms wired together, from the listening sockets to a clean end.
//
// Threads: the main thread runs the control loop (accepting, the event link, warmup, signals, the
// swap of the configuration); `threads` I/O threads serve the clients. Redis may be away at any
// time, at the start too.
//
// Made, opened, run and destroyed on the main thread.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/server/options.hpp"

#include <memory>
#include <string>

namespace tiercache::server {

std::string_view version() noexcept;

class Server {
 public:
  // `config` is what load_config gave for `options`, which are kept for a reload.
  Server(Options options, const config::Config& config, const std::string& password);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens, or takes its addresses if clients are to be refused until required warmups are done;
  // serves nobody yet.
  Status open();
  // Serves until SIGTERM or SIGINT, then answers what is in flight, for drain_timeout at most; a
  // second signal ends at once. An error: it could not listen when the warmups were done. REQUIRES:
  // open() went well.
  Status run();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The process from here to its end: log, limits, a Server. The exit status.
int serve(Options options, const config::Config& config, const std::string& password);

}  // namespace tiercache::server
