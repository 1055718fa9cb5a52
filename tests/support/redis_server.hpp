// A private redis-server for live tests: on 127.0.0.1, a free port, with a directory of its own
// under the system's temporary directory; stopped and removed when the object goes. It keeps
// nothing on disk unless asked, accepts DEBUG, and is killed by the kernel should the test die.
//
// Owner: the test. One thread at a time; the thread that starts the server must outlive it (the
// kernel ties the child's life to that thread).
// Every wait is bounded (10 s); when a server cannot be started the constructor throws
// std::runtime_error with the end of its log. The program is `redis-server` on PATH, or what
// TIERCACHE_REDIS_SERVER names.
//
//   RedisServer server({"--maxmemory", "10mb", "--notify-keyspace-events", "KEA"});
//   Client client(server.port());
//   server.kill9(); server.start();   // the same port and directory
#pragma once

#include "client.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace tiercache::testing {

// A TCP port of 127.0.0.1 that nobody listens on now. Another process may take it before you do:
// whoever binds it must be ready to ask again.
std::uint16_t free_port();

class RedisServer {
 public:
  // Starts it and waits until it answers PING. `extra_args` come last, so they override.
  explicit RedisServer(std::vector<std::string> extra_args = {});
  // A Sentinel with a configuration file of this text, which it goes on writing itself.
  struct Sentinel {
    std::string config;
  };
  explicit RedisServer(const Sentinel& sentinel);
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  std::uint16_t port() const {
    return port_;
  }
  pid_t pid() const {
    return pid_;
  }
  const std::filesystem::path& directory() const {
    return directory_;
  }
  // True while the process exists (a paused one does).
  bool running();
  // What the server has logged so far.
  std::string log() const;

  // Starts it again on the same port and directory. REQUIRES: it is stopped.
  void start();
  // SIGTERM (Redis then saves if it is told to), and SIGKILL past 10 s. No-op if stopped.
  void stop();
  // SIGKILL, and waits until it is gone. No-op if stopped.
  void kill9();
  // SIGSTOP and SIGCONT: the connections stay open, nothing is answered.
  void pause();
  void resume();

 private:
  void launch();
  void spawn();
  // True once it answers PING (or refuses it for want of a password), false if it has exited.
  bool wait_ready();
  bool reap(std::chrono::milliseconds timeout);

  std::vector<std::string> extra_args_;
  bool is_sentinel_ = false;
  std::filesystem::path directory_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace tiercache::testing
