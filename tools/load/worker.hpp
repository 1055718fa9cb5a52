// A thread of the load: its connections, its choices, its counts. It shares nothing with the others
// while it runs.
//
// Limits: in an open loop a connection owes at most kMaxOutstanding replies; what falls due beyond
// that leaves later and is as late as it is. When nothing has been asked for kPatience because
// replies are missing, the run ends and these are counted as unanswered.
//
// Owner: run(). Constructed and destroyed there; run() of this class on the worker's own thread.
#pragma once

#include "connection.hpp"
#include "options.hpp"
#include "report.hpp"
#include "request_writer.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace tiercache::load {

class Worker {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::uint64_t kMaxOutstanding = 65536;
  static constexpr std::chrono::seconds kPatience{10};

  static Result<std::unique_ptr<Worker>> create(const Settings& settings, Part part);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Asks until there is no more to ask and all is answered. Once.
  void run(Clock::time_point start);

  // After run().
  const Tally& tally() const noexcept {
    return tally_;
  }
  // When the last reply came, since the start.
  Time ended() const noexcept {
    return ended_;
  }

 private:
  Worker(const Settings& settings, Part part);

  Status connect();
  // In an open loop: whether what falls due next still belongs to the run.
  bool more_to_ask() const noexcept;
  void ask(Connection& connection, Time since);
  void ask_what_is_due();
  void wait();
  void on_event(Connection& connection, std::uint32_t events);
  void watch(Connection& connection, int operation) const;
  void lose(Connection& connection, const char* why);
  Connection* next_connection() noexcept;
  std::optional<Time> next_wake() const noexcept;
  Time now() const noexcept {
    return Clock::now() - start_;
  }

  // Constant after construction.
  const Settings settings_;
  const Part part_;

  RequestWriter writer_;
  std::optional<Pace> pace_;  // none: closed loop
  std::vector<std::unique_ptr<Connection>> connections_;
  std::size_t turn_ = 0;          // whose turn it is in an open loop
  std::uint64_t left_ = 0;        // requests still to be asked
  std::uint64_t unanswered_ = 0;  // requests asked and not answered yet
  std::size_t open_ = 0;          // connections
  int epoll_ = -1;
  std::vector<char> buffer_;
  Clock::time_point start_;
  Time ended_{0};
  Time asked_{0};  // when the last request left
  Tally tally_;
};

}  // namespace tiercache::load
