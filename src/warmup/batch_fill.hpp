// One batch of keys of one node, read into L1 over a worker's shared link. A key that is elsewhere
// by now is not followed. Lives on that worker's thread, kept alive by what it waits for. At most
// kWindow keys are in flight.
//
// What Redis has not can be loaded from the source of its namespace, as a client's GET would have
// it, of which other loads of the key know. Once all of these are in Redis, and what tells of that
// has been heard (a fence), they are read as the others were (a hash is not). Loads under way:
// kLoads at most, and a share of the source's queue that leaves room for clients.
#pragma once

#include "reply_gather.hpp"

#include "tiercache/l2/link.hpp"
#include "tiercache/proxy/worker.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

namespace tiercache::proxy {
struct LoadAnswer;
}

namespace tiercache::warmup {

struct BatchResult {
  std::uint64_t loaded = 0;  // of a source, whatever L1 has made of it
  std::uint64_t filled = 0;
  std::uint64_t present = 0;
  std::uint64_t refused = 0;
  std::uint64_t other_type = 0;  // than a string
  std::uint64_t failed = 0;
};

struct Batch {
  std::uint32_t db = 0;
  std::vector<std::string> keys;
  bool load = false;  // what Redis has not
};

class BatchFill final : public l2::Consumer {
 public:
  // `report` is called once, on the worker's thread. `stop` becomes true on any thread: then the
  // keys that were not sent yet are left out.
  BatchFill(proxy::Worker& worker, proxy::Lane& lane, Batch batch,
            std::shared_ptr<const std::atomic<bool>> stop,
            std::function<void(const BatchResult&)> report);
  // Asks until the link is there and everything is sent.
  void go_on();

  void on_reply(std::uint64_t tag, std::string_view piece, bool last) override;
  void on_lost(std::uint64_t tag, std::string_view why) override;
  void on_room() override;

 private:
  static constexpr std::size_t kWindow = 256;
  static constexpr std::size_t kLoads = 64;
  static constexpr std::chrono::milliseconds kRetry{50};
  static constexpr unsigned kMaxRetries = 100;

  enum class Look : std::uint8_t { sent, present, refused };
  struct Read {
    KeyHash hash = 0;
    coherence::FlightId flight = 0;
    namespaces::Index space = 0;
    Time asked{};
    ReplyGather gather;
  };

  bool stopped() const noexcept;
  Look look(std::size_t index);
  void retry();
  void end_read(std::size_t index);
  bool to_be_loaded(const Read& read, const std::string& key) const;
  std::size_t most_loads(namespaces::Index space) const;
  void load();
  void on_loaded(std::size_t index, const proxy::LoadAnswer& answer);
  void read_loaded();
  void finish_if_done();

  proxy::Worker& worker_;
  proxy::Lane& lane_;
  const Batch batch_;
  const std::shared_ptr<const std::atomic<bool>> stop_;
  std::function<void(const BatchResult&)> report_;
  boost::asio::steady_timer timer_;
  l2::LinkPtr link_;
  std::vector<Read> reads_;
  std::vector<std::size_t> order_;  // which keys are read: all, or then those that were loaded
  std::size_t next_ = 0;            // of these, to be sent
  std::size_t in_flight_ = 0;       // keys
  bool again_ = false;              // those that were loaded
  std::deque<std::size_t> absent_;  // to be loaded
  std::size_t loading_ = 0;
  std::vector<std::size_t> loaded_;
  unsigned retries_ = 0;
  bool waiting_ = false;  // for room, or to try again
  BatchResult result_;
  std::string request_;
};

}  // namespace tiercache::warmup
