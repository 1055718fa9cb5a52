// The real program, build/tiercache, as a process of its own in front of a Redis: on 127.0.0.1, a
// free port, with a directory of its own; ended and removed when the object goes, and killed by the
// kernel should the test die. Its environment has no TIERCACHE_ variables. The variable
// TIERCACHE_PROGRAM of the test's own names another program than the one that was built.
//
// Owner: the test. One thread at a time. Every wait is bounded (10 s).
#pragma once

#include "client.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace tiercache::testing {

// Runs it to its end, which must come by itself.
struct ProgramRun {
  int status = -1;  // -1: it had to be killed
  std::string out;
  std::string err;
};
ProgramRun run_tiercache(const std::vector<std::string>& args);

class TiercacheProcess {
 public:
  // `sets` are values for --set. Waits until it listens; throws std::runtime_error with its log
  // if it does not.
  explicit TiercacheProcess(std::uint16_t redis_port, std::vector<std::string> sets = {});
  // The same with a configuration file of this text.
  TiercacheProcess(std::uint16_t redis_port, std::vector<std::string> sets,
                   const std::string& config_text);
  ~TiercacheProcess();
  TiercacheProcess(const TiercacheProcess&) = delete;
  TiercacheProcess& operator=(const TiercacheProcess&) = delete;

  std::uint16_t port() const {
    return port_;
  }
  const std::filesystem::path& directory() const {
    return directory_;
  }
  std::filesystem::path config_file() const {
    return directory_ / "tiercache.toml";
  }
  std::string log() const;

  void signal(int number);
  // The exit status; 128 + n after signal n; nothing while it runs.
  std::optional<int> wait_exit(std::chrono::milliseconds timeout);
  // Waits until L1 serves; throws past 10 s.
  void wait_live();
  // One number of CACHE STATS, over a connection of its own.
  std::int64_t stat(const std::string& name);

 private:
  void start(std::uint16_t redis_port, const std::vector<std::string>& sets);
  bool wait_listening();

  std::filesystem::path directory_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
  std::optional<int> status_;
};

// Waits until `done`; false past `timeout`.
template <class Done>
bool eventually(Done&& done, std::chrono::milliseconds timeout = std::chrono::seconds(60));

// Sleeps a little: the pause between two looks of `eventually`.
void pause_briefly();

template <class Done>
bool eventually(Done&& done, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= deadline) {
      return false;
    }
    pause_briefly();
  }
  return true;
}

}  // namespace tiercache::testing
