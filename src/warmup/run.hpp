// One run of a warmup: takes keys from a stream, at a rate, and deals them in batches to the
// workers in turn, whose shared links carry the reads; a batch goes to one node. While L1 cannot
// take fills (the event link is not live), or the keys cannot be had for a moment, it waits; of a
// Cluster it goes on without a node that is away for kGiveUp, if others live.
//
// Thread: the control thread. Kept alive by a shared_ptr; what comes for one that is gone is
// dropped.
#pragma once

#include "batch_fill.hpp"
#include "key_stream.hpp"
#include "pace.hpp"
#include "reach.hpp"

#include "tiercache/proxy/worker.hpp"
#include "tiercache/warmup/progress.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace tiercache::warmup {

struct RunParts {
  boost::asio::io_context& control;
  proxy::Hub& hub;
  std::shared_ptr<Reach> reach;  // of this run
};

class Run : public std::enable_shared_from_this<Run> {
 public:
  // A run that gets nothing for so long fails.
  static constexpr std::chrono::seconds kGiveUp{30};
  // So often the log is told how far one is.
  static constexpr std::chrono::seconds kLogEvery{10};

  // `ended` is called once, when it is done or has failed, not when it was stopped.
  Run(RunParts parts, Job job, std::unique_ptr<KeyStream> keys, std::shared_ptr<Board> board,
      std::function<void()> ended);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void start();
  // No more is asked for or read; what is in flight still fills. False: it has ended.
  bool stop();
  bool running() const noexcept {
    return running_;
  }

 private:
  static constexpr std::chrono::milliseconds kRetry{200};
  static constexpr std::size_t kBatchesPerWorker = 2;

  // One step: a batch is asked for, or there is a reason to wait.
  void step();
  void step_at(Time time);
  void ask();
  void on_keys(Result<KeyBatch> batch);
  void wait_for(const std::string& what);
  void deal(std::vector<std::string> keys);
  void send(std::size_t node, std::vector<std::string> keys);
  void on_batch(const BatchResult& result);
  void log_later();
  void finish_if_done();
  void end(State state, std::string reason);

  const RunParts parts_;
  const Job job_;
  std::unique_ptr<KeyStream> keys_;
  const std::shared_ptr<Board> board_;
  std::function<void()> ended_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer log_timer_;
  Pace pace_;
  bool running_ = false;
  bool asking_ = false;       // a batch is asked for
  bool last_ = false;         // all keys have come
  std::uint64_t taken_ = 0;   // keys, of the limit
  std::uint64_t looked_ = 0;  // at keys, of all there are
  std::size_t batches_out_ = 0;
  std::size_t next_worker_ = 0;
  Time waiting_since_ = kNever;
  const std::shared_ptr<std::atomic<bool>> stop_flag_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace tiercache::warmup
