// What was written and when, and whether a read may have seen what it saw. Each key has one writer,
// which counts its versions up from 1, and which gives the key up when it does not know what became
// of a write: so only the last version of a key may be in doubt, and Redis never holds an older one
// after a newer. Losses (a flush, a restart, eviction) take keys away for good.
//
// Time is the machine's steady clock, the same for all. A read from `sent` to `got` may show a
// state that ended `allowed` before `sent`, at most; 0 where the proxy promises real time.
//
// Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::testing {

using Instant = std::chrono::steady_clock::time_point;
using Span = std::chrono::steady_clock::duration;
constexpr Instant kForever = Instant::max();

// From before it can have begun until after it must be over.
struct Loss {
  Instant begin;
  Instant end = kForever;
};

class Losses {
 public:
  // Gives what ends it.
  std::size_t begin();
  void end(std::size_t loss);
  void add(Loss loss);
  std::vector<Loss> all() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Loss> losses_;
};

// What one client knows of one key from its earlier reads.
struct Seen {
  std::uint64_t version = 0;  // the newest it was shown
  std::uint64_t least = 0;    // older ones were gone
};

struct Read {
  std::uint64_t version = 0;  // 0: there was nothing
  Instant sent;
  Instant got;
  Span allowed{};          // for writes
  Span allowed_if_lost{};  // for losses
};

struct Judgement {
  std::string violation;  // empty: fine
  Span staleness{};       // how long a newer version had been acknowledged
};

class KeyHistory {
 public:
  explicit KeyHistory(std::string name) : name_(std::move(name)) {
  }
  const std::string& name() const {
    return name_;
  }
  // The next version, about to be sent.
  std::uint64_t begin_write();
  // It is acknowledged.
  void end_write();

  Judgement judge(const Read& read, const std::vector<Loss>& losses, Seen& seen) const;

  std::string value_of(std::uint64_t version) const;
  // Nothing if it is no value of this key.
  std::optional<std::uint64_t> version_in(std::string_view value) const;

 private:
  struct Write {
    Instant begun;
    Instant acknowledged = kForever;
  };
  // The newest version acknowledged by then; 0 if there is none.
  std::uint64_t newest_at(Instant time) const;
  Judgement judge_nothing(const Read& read, const std::vector<Loss>& losses, Seen& seen) const;
  Judgement judge_value(const Read& read, const std::vector<Loss>& losses, Seen& seen) const;

  const std::string name_;
  mutable std::mutex mutex_;
  std::vector<Write> writes_;  // of version i + 1
};

}  // namespace tiercache::testing
