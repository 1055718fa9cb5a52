#include "nemesis_history.hpp"

#include <algorithm>
#include <charconv>

namespace tiercache::testing {
namespace {

Instant now() {
  return std::chrono::steady_clock::now();
}

std::string milliseconds(Span span) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(span).count())
      .append(" ms");
}

}  // namespace

std::size_t Losses::begin() {
  const std::lock_guard lock(mutex_);
  losses_.push_back({now()});
  return losses_.size() - 1;
}

void Losses::end(std::size_t loss) {
  const std::lock_guard lock(mutex_);
  losses_.at(loss).end = now();
}

void Losses::add(Loss loss) {
  const std::lock_guard lock(mutex_);
  losses_.push_back(loss);
}

std::vector<Loss> Losses::all() const {
  const std::lock_guard lock(mutex_);
  return losses_;
}

std::uint64_t KeyHistory::begin_write() {
  const std::lock_guard lock(mutex_);
  writes_.push_back({now()});
  return writes_.size();
}

void KeyHistory::end_write() {
  const std::lock_guard lock(mutex_);
  writes_.back().acknowledged = now();
}

std::uint64_t KeyHistory::newest_at(Instant time) const {
  const auto later = std::ranges::upper_bound(writes_, time, {}, &Write::acknowledged);
  return static_cast<std::uint64_t>(later - writes_.begin());
}

Judgement KeyHistory::judge(const Read& read, const std::vector<Loss>& losses, Seen& seen) const {
  const std::lock_guard lock(mutex_);
  if (read.version > writes_.size()) {
    return {"version " + std::to_string(read.version) + " was never written", {}};
  }
  return read.version == 0 ? judge_nothing(read, losses, seen) : judge_value(read, losses, seen);
}

// Nothing is right before the first write, and if a loss can have followed the newest write that
// the read must have seen.
Judgement KeyHistory::judge_nothing(const Read& read, const std::vector<Loss>& losses,
                                    Seen& seen) const {
  const std::uint64_t must = std::max(newest_at(read.sent - read.allowed), seen.version);
  if (must == 0) {
    return {};
  }
  std::optional<Instant> lost;
  for (const Loss& loss : losses) {
    if (loss.begin <= read.got && loss.end >= writes_[must - 1].begun) {
      lost = std::min(lost.value_or(kForever), loss.begin);
    }
  }
  if (!lost) {
    return {"nothing, but version " + std::to_string(must) + " was written and not lost", {}};
  }
  // What was there before that loss will not come again.
  seen.least = std::max(seen.least, newest_at(*lost - Span{1}) + 1);
  return {};
}

Judgement KeyHistory::judge_value(const Read& read, const std::vector<Loss>& losses,
                                  Seen& seen) const {
  Judgement out;
  const std::string what = "version " + std::to_string(read.version);
  if (read.version < writes_.size() && writes_[read.version].acknowledged < read.sent) {
    out.staleness = read.sent - writes_[read.version].acknowledged;
  }
  if (read.version < seen.version) {
    out.violation = what + " after the same client had seen " + std::to_string(seen.version);
  } else if (read.version < seen.least) {
    out.violation = what + " after the same client had seen it gone";
  } else if (out.staleness > read.allowed) {
    out.violation = what + " although " + std::to_string(read.version + 1) + " was acknowledged " +
                    milliseconds(out.staleness) +
                    " before the read was sent (allowed: " + milliseconds(read.allowed) + ")";
  }
  const Write& write = writes_[read.version - 1];
  for (const Loss& loss : losses) {
    if (out.violation.empty() && write.acknowledged < loss.begin &&
        loss.end < read.sent - read.allowed_if_lost) {
      out.violation = what + " although it was lost " + milliseconds(read.sent - loss.end) +
                      " before the read was sent (allowed: " + milliseconds(read.allowed_if_lost) +
                      ")";
    }
  }
  seen.version = std::max(seen.version, read.version);
  return out;
}

std::string KeyHistory::value_of(std::uint64_t version) const {
  return std::to_string(version).append("@").append(name_);
}

std::optional<std::uint64_t> KeyHistory::version_in(std::string_view value) const {
  std::uint64_t version = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), version);
  const std::string_view rest = value.substr(static_cast<std::size_t>(end - value.data()));
  if (error != std::errc{} || rest.empty() || rest.front() != '@' || rest.substr(1) != name_) {
    return std::nullopt;
  }
  return version;
}

}  // namespace tiercache::testing
