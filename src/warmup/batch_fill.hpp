// One batch of keys of one node, read into L1 over a worker's shared link. A key that is elsewhere
// by now is not followed. Lives on that worker's thread, kept alive by the replies it waits for. At
// most kWindow keys are in flight.
#pragma once

#include "reply_gather.hpp"

#include "tiercache/l2/link.hpp"
#include "tiercache/proxy/worker.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

namespace tiercache::warmup {

struct BatchResult {
  std::uint64_t filled = 0;
  std::uint64_t present = 0;
  std::uint64_t refused = 0;
  std::uint64_t failed = 0;
};

class BatchFill final : public l2::Consumer {
 public:
  // `report` is called once, on the worker's thread. `stop` becomes true on any thread: then the
  // keys that were not sent yet are left out.
  BatchFill(proxy::Worker& worker, proxy::Lane& lane, std::uint32_t db,
            std::vector<std::string> keys, std::shared_ptr<const std::atomic<bool>> stop,
            std::function<void(const BatchResult&)> report);
  // Asks until the link is there and everything is sent.
  void go_on();

  void on_reply(std::uint64_t tag, std::string_view piece, bool last) override;
  void on_lost(std::uint64_t tag, std::string_view why) override;
  void on_room() override;

 private:
  static constexpr std::size_t kWindow = 256;
  static constexpr std::chrono::milliseconds kRetry{50};
  static constexpr unsigned kMaxRetries = 100;

  enum class Look : std::uint8_t { sent, present, refused };
  struct Read {
    KeyHash hash = 0;
    coherence::FlightId flight = 0;
    namespaces::Index space = 0;
    ReplyGather gather;
  };

  Look look(std::size_t index);
  void retry();
  void end_read(Read& read);
  void finish_if_done();

  proxy::Worker& worker_;
  proxy::Lane& lane_;
  const std::uint32_t db_;
  const std::vector<std::string> keys_;
  const std::shared_ptr<const std::atomic<bool>> stop_;
  std::function<void(const BatchResult&)> report_;
  boost::asio::steady_timer timer_;
  l2::LinkPtr link_;
  std::vector<Read> reads_;
  std::size_t next_ = 0;       // of keys_, to be sent
  std::size_t in_flight_ = 0;  // keys
  unsigned retries_ = 0;
  bool waiting_ = false;  // for room, or to try again
  BatchResult result_;
  std::string request_;
};

}  // namespace tiercache::warmup
