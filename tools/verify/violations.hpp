// Every broken promise: how many of each kind, and the first of each in detail.
//
// With faults expected a violation is only suspected at first: whoever watches Redis confirms it
// when Redis is known to have kept its data until after the violation, or drops it when data was
// lost (FLUSHALL, a restart without a snapshot): then the states began anew and nothing was broken.
//
// Shared by all threads, one mutex, taken only when something is wrong. Limits: kMaxPending
// suspicions; what comes beyond them is counted as confirmed, never forgotten.
#pragma once

#include "book.hpp"
#include "judge.hpp"
#include "trace.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace tiercache::verify {

struct Violation {
  Check check = Check::whole;
  KeyId key = 0;
  Version incarnation = 0;
  Nanos at = 0;  // when the reply had come
  std::string who{};
  std::string text{};
  std::vector<TraceLine> trace{};
};

class Violations {
 public:
  static constexpr std::size_t kMaxPending = 10000;
  static constexpr std::size_t kMaxTraced = 4;  // of each check

  enum class Mode : std::uint8_t { certain, suspect_first };
  explicit Violations(Mode mode) : mode_(mode) {
  }

  void report(Violation violation);
  // Redis had its data still in a check that began at `since`. What was seen of a name that its key
  // has left since then is dropped.
  void confirm_before(Nanos since, const Book& book);
  // Redis lost its data: whatever is pending proves nothing.
  void drop_pending();

  // How many traces have been asked for so far: a worker that sees it move calls give_trace for its
  // sessions. Cheap.
  std::size_t wanted() const noexcept {
    return wanted_count_.load(std::memory_order_acquire);
  }
  // The key of the n-th.
  KeyId wanted_key(std::size_t n);
  void give_trace(std::size_t n, std::vector<TraceLine> lines);

  std::uint64_t count(Check check) const;
  std::uint64_t total() const;
  std::uint64_t dropped() const;
  // The first kMaxTraced of each check, traces in time order.
  std::vector<Violation> examples();

 private:
  void count_in(const Violation& violation);

  const Mode mode_;
  mutable std::mutex mutex_;
  std::array<std::uint64_t, kChecks> counts_{};
  std::array<std::uint32_t, kChecks> traced_{};
  std::uint64_t dropped_ = 0;
  std::vector<Violation> pending_{};
  std::vector<Violation> confirmed_{};
  // What a trace was asked for: the lines come in from every worker and are joined at the end.
  struct Wanted {
    KeyId key;
    Nanos at;
    std::vector<TraceLine> lines;
  };
  std::vector<Wanted> wanted_{};
  std::atomic<std::size_t> wanted_count_{0};
};

}  // namespace tiercache::verify
