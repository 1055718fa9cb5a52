// The sessions that only read. A FastReader keeps a deep pipeline of GETs of the hot key, the zipf
// tail and, in between, everything else that GET and MGET can read; a MixedReader sends every kind
// of read, transactions too, in short pipelines.
#pragma once

#include "session.hpp"

#include <vector>

namespace tiercache::verify {

class ReadingSession : public Session {
 public:
  ReadingSession(RunState& run, Tally& tally, Identity identity, std::size_t depth,
                 const std::vector<KeyId>& zipf)
      : Session(run, tally, std::move(identity)), depth_(depth), zipf_(zipf) {
  }

 protected:
  void on_write(std::span<const Op>, const Reply&) override {
  }
  void on_unknown(std::span<const Op>) override {
  }

  std::size_t depth() const noexcept {
    return depth_;
  }
  KeyId popular() noexcept {
    return run_.plan.strings.first + zipf_[random_.below(static_cast<std::uint32_t>(zipf_.size()))];
  }
  KeyId any(const Range& range) noexcept {
    return range.first + random_.below(range.count);
  }
  // A group of keys that are written together.
  std::span<const KeyId> any_group() noexcept;
  // Four strings that one transaction may read over a Cluster too; `key` is the first.
  std::array<KeyId, 4> neighbours(KeyId key) noexcept;

 private:
  std::size_t depth_;
  const std::vector<KeyId>& zipf_;
  std::array<KeyId, 8> group_{};
};

class FastReader final : public ReadingSession {
 public:
  using ReadingSession::ReadingSession;

 protected:
  void prepare(Nanos now) override;

 private:
  void add_rare(std::uint32_t choice);
};

class MixedReader final : public ReadingSession {
 public:
  using ReadingSession::ReadingSession;

 protected:
  void prepare(Nanos now) override;

 private:
  void add_one();
};

}  // namespace tiercache::verify
