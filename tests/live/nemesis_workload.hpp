// The work that goes on while the nemesis is at it: a writer past the proxy, a writer through it,
// and readers through it that judge every reply. Whatever fails is tried again over a new
// connection.
//
// Owner: the test. Four threads, joined when it goes. Any thread may call the rest.
#pragma once

#include "client.hpp"
#include "nemesis_history.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace tiercache::testing {

enum class WriteWith : std::uint8_t {
  set,
  restore,          // the direct writer: RESTORE ... REPLACE
  undeclared_eval,  // the writer through the proxy: a script that does not declare its key
};

class NemesisWorkload {
 public:
  NemesisWorkload(std::uint16_t redis_port, std::uint16_t proxy_port, Span max_staleness);
  ~NemesisWorkload();
  NemesisWorkload(const NemesisWorkload&) = delete;
  NemesisWorkload& operator=(const NemesisWorkload&) = delete;

  Losses& losses() {
    return losses_;
  }
  void write_with(WriteWith with) {
    with_ = with;
  }
  // Where Redis itself says nothing, the proxy needs so much longer.
  void allow_extra(Span extra) {
    extra_ = extra.count();
  }
  struct Tally {
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
    std::uint64_t failures = 0;  // errors and lost connections
    std::uint64_t violations = 0;
    Span staleness{};  // the longest seen of a direct write
    std::vector<std::string> traces{};
  };
  // Since the last call.
  Tally take_tally();
  // Stops the writers, and then reads every key: L1 must equal Redis. Gives the differences.
  std::vector<std::string> settle();

 private:
  static constexpr std::size_t kSlots = 12;  // the even ones are written past the proxy
  static constexpr std::size_t kTraces = 20;
  using KeyPtr = std::shared_ptr<KeyHistory>;
  struct Asked {
    KeyPtr key;
    std::size_t slot;
    Instant sent;
  };
  struct Slot {
    KeyPtr key;
    KeyPtr before;  // the one given up last
  };
  using SeenKeys = std::unordered_map<KeyPtr, Seen>;  // of one connection

  void write_direct();
  void write_proxied();
  void read_all(unsigned reader, std::size_t pipeline);
  // Runs `session` again and again, each time with a new connection.
  template <class Session>
  void repeat(std::uint16_t port, const std::atomic<bool>& stop, Session&& session);
  bool write_one(Client& client, std::size_t slot, WriteWith with);
  Value send_write(Client& client, const std::string& key, const std::string& value,
                   WriteWith with);
  void judge(unsigned reader, const Asked& asked, const Value& reply, SeenKeys& seen);
  void give_up(std::size_t slot);
  Slot slot(std::size_t index);
  static bool direct(std::size_t slot) {
    return slot % 2 == 0;
  }

  const std::uint16_t redis_port_;
  const std::uint16_t proxy_port_;
  const Span max_staleness_;
  const Instant start_ = std::chrono::steady_clock::now();
  Losses losses_;
  std::atomic<WriteWith> with_{WriteWith::set};
  std::atomic<Span::rep> extra_{0};
  std::atomic<bool> stop_writers_{false};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::array<Slot, kSlots> slots_;
  std::uint64_t given_up_ = 0;
  Tally tally_;
  std::vector<std::thread> threads_;
};

}  // namespace tiercache::testing
