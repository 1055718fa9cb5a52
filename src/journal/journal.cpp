#include "tiercache/journal/journal.hpp"

#include "tiercache/journal/files.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace tiercache::journal {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestSegment = std::size_t{64} << 20U;
constexpr std::size_t kSmallestSegment = std::size_t{64} << 10U;
// Of max_bytes one segment takes such a part, so that there is room again before all is released.
constexpr std::size_t kParts = 8;
constexpr auto kInterval = std::chrono::seconds(1);  // of making durable, and of trying again
constexpr std::string_view kSuffix = ".journal";
constexpr std::size_t kDigits = 12;

}  // namespace

Journal::Journal(Config config)
    : config_(std::move(config)),
      segment_bytes_(std::clamp(config_.max_bytes / kParts, kSmallestSegment, kLargestSegment)) {
}

Result<std::unique_ptr<Journal>> Journal::open(Config config, Found& found) {
  std::unique_ptr<Journal> journal(new Journal(std::move(config)));
  std::error_code error;
  fs::create_directories(journal->config_.directory, error);
  if (error) {
    return Error{ErrorCode::unavailable,
                 "cannot make " + journal->config_.directory + ": " + error.message()};
  }
  for (const auto step : {&Journal::lock, &Journal::read_id}) {
    if (Status status = (journal.get()->*step)(); !status) {
      return std::move(status).error();
    }
  }
  if (Status status = journal->read_segments(found); !status) {
    return std::move(status).error();
  }
  if (Status status = journal->begin_segment(); !status) {
    return std::move(status).error();
  }
  journal->thread_ = std::thread([self = journal.get()] {
    ::pthread_setname_np(::pthread_self(), "tiercache-jrnl");
    self->work();
  });
  return journal;
}

Journal::~Journal() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

std::string Journal::path_of(std::uint64_t number) const {
  std::string digits = std::to_string(number);
  digits.insert(0, kDigits - std::min(kDigits, digits.size()), '0');
  return config_.directory + "/" + digits + std::string(kSuffix);
}

// Its header says what of the one before counts. What was written there and is not durable goes
// behind it: only once the header is, for without one the file would be no segment.
Status Journal::begin_segment() {
  std::size_t previous = 0;
  {
    MutexLock lock(mutex_);
    previous = segments_.empty() ? 0 : segments_.back().size - unsynced_.size();
  }
  usable_ = false;
  const std::string path = path_of(next_number_);
  file_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (file_.get() < 0) {
    return failed("cannot make " + path, errno);
  }
  std::string header;
  append_segment_header(header, {previous, durable_ + 1, next_ - unsynced_records_}, seed_);
  int error = write_all(file_.get(), header);
  if (error == 0 && (::fsync(file_.get()) != 0 || !sync_directory(config_.directory))) {
    error = errno;
  }
  if (error == 0 && !unsynced_.empty()) {
    error = write_all(file_.get(), unsynced_);
    if (error == 0 && ::fdatasync(file_.get()) != 0) {
      error = errno;
    }
  }
  if (error != 0) {
    ::unlink(path.c_str());
    return failed("cannot write " + path, error);
  }
  MutexLock lock(mutex_);
  std::uint64_t last = segments_.empty() ? durable_ : segments_.back().last;
  if (!unsynced_.empty()) {
    segments_.back().size = previous;
    segments_.back().last = durable_;
    last = next_ - 1;
  }
  segments_.push_back({next_number_++, last, header.size() + unsynced_.size()});
  bytes_ += header.size();
  none_unsynced();
  usable_ = true;
  return Unit{};
}

void Journal::none_unsynced() {
  durable_ = next_ - 1;
  unsynced_.clear();
  unsynced_records_ = 0;
}

Journal::Taken Journal::append(Record record, Done done) {
  const std::size_t size = kRecordHeader + payload_size(record);
  {
    MutexLock lock(mutex_);
    if (stopping_ || size > kMaxPayload || bytes_ + size > config_.max_bytes) {
      return Taken::full;
    }
    bytes_ += size;
    waiting_.push_back({std::move(record), size, std::move(done)});
  }
  ready_.notify_all();
  return Taken::yes;
}

void Journal::release(std::uint64_t sequence) {
  {
    MutexLock lock(mutex_);
    released_ = std::max(released_, sequence);
  }
  ready_.notify_all();
}

Totals Journal::totals() const {
  MutexLock lock(mutex_);
  Totals totals = totals_;
  totals.bytes = bytes_;
  totals.segments = segments_.size();
  return totals;
}

void Journal::work() {
  using Clock = std::chrono::steady_clock;
  auto sync_at = Clock::now() + kInterval;
  auto tidy_at = Clock::now();
  for (;;) {
    std::vector<Waiting> batch;
    bool stop = false;
    {
      MutexLock lock(mutex_);
      while (waiting_.empty() && !stopping_) {
        const bool untidy =
            (segments_.size() > 1 && segments_.front().last <= released_) || sealable();
        auto until = Clock::time_point::max();
        until = untidy ? std::min(until, tidy_at) : until;
        until = unsynced_.empty() ? until : std::min(until, sync_at);
        if (until <= Clock::now()) {
          break;
        }
        if (until == Clock::time_point::max()) {
          ready_.wait(mutex_);
        } else {
          ready_.wait_until(mutex_, until);
        }
      }
      stop = stopping_ && waiting_.empty();
      std::size_t size = 0;
      while (!waiting_.empty() && (size == 0 || size + waiting_.front().size <= segment_bytes_)) {
        size += waiting_.front().size;
        batch.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
      }
    }
    if (!batch.empty()) {
      write_batch(std::move(batch));
    }
    if (unsynced_.empty()) {
      sync_at = Clock::now() + kInterval;
    } else if (stop || Clock::now() >= sync_at) {
      make_durable();
      sync_at = Clock::now() + kInterval;
    }
    if ((stop || Clock::now() >= tidy_at) && !tidy(stop)) {
      tidy_at = Clock::now() + kInterval;
    }
    if (stop) {
      return;
    }
  }
}

// A file that could not be made durable is given up: the kernel may have dropped what it had of it,
// says so once, and would call the next try good.
void Journal::make_durable() {
  if (unsynced_.empty()) {
    return;
  }
  if (usable_) {
    if (::fdatasync(file_.get()) == 0) {
      none_unsynced();
      return;
    }
    spdlog::error("journal: {} records cannot be made durable ({}), and are written anew",
                  unsynced_records_, text_of(errno));
    usable_ = false;
    MutexLock lock(mutex_);
    totals_.sync_failures++;
  }
  if (Status status = begin_segment(); !status) {
    spdlog::error("journal: {} records are not durable still: {}", unsynced_records_,
                  status.error().detail);
  }
}

// No error: the bytes are there, behind what was there.
Journal::Outcome Journal::write(const std::string& bytes) {
  std::size_t good = 0;
  bool full = false;
  {
    MutexLock lock(mutex_);
    good = segments_.back().size;
    // One whose records are all released makes room for a small one.
    full = good > segment_bytes_ || (good > kSmallestSegment && segments_.back().last <= released_);
  }
  if (full && usable_) {
    make_durable();
  }
  if (!usable_ || full) {
    if (Status status = begin_segment(); !status) {
      return {0, status.error().detail};
    }
    MutexLock lock(mutex_);
    good = segments_.back().size;
  }
  int error = write_all(file_.get(), bytes);
  bool lost = false;
  if (error == 0 && config_.sync == Sync::always && ::fdatasync(file_.get()) != 0) {
    // What the kernel then has of the file is not what the disk has.
    error = errno;
    lost = true;
  }
  if (error == 0) {
    return {};
  }
  const bool cut = ::ftruncate(file_.get(), static_cast<off_t>(good)) == 0 &&
                   ::lseek(file_.get(), static_cast<off_t>(good), SEEK_SET) >= 0;
  Outcome failed{0, "the journal cannot be written: " + text_of(error)};
  // At once: what failed is to be found at no start.
  if ((lost || !cut) && !begin_segment()) {
    failed.error += "; if the proxy stops before it can be the write may still be applied";
    failed.unknown = true;
  }
  return failed;
}

void Journal::write_batch(std::vector<Waiting> batch) {
  std::string bytes;
  std::uint64_t sequence = next_;
  std::size_t counted = 0;
  for (Waiting& one : batch) {
    one.record.sequence = sequence++;
    one.record.durable = durable_;
    counted += one.size;
    append_record(bytes, one.record, seed_);
  }
  const Outcome outcome = write(bytes);
  const bool good = outcome.error.empty();
  {
    MutexLock lock(mutex_);
    if (good) {
      segments_.back().last = sequence - 1;
      segments_.back().size += bytes.size();
      totals_.records += batch.size();
      totals_.writes++;
    } else {
      bytes_ -= counted;
      totals_.failed += batch.size();
    }
  }
  if (good) {
    next_ = sequence;
    unsynced_ += bytes;
    unsynced_records_ += batch.size();
    if (config_.sync == Sync::always) {
      none_unsynced();
    }
  }
  for (const Waiting& one : batch) {
    one.done(good ? Outcome{one.record.sequence, {}} : outcome);
  }
}

// The newest segment.
bool Journal::has_records() const {
  return segments_.back().size > kSegmentHeader;
}

bool Journal::all_released() const {
  return has_records() && segments_.back().last <= released_;
}

// It takes room that nobody may ever make by writing.
bool Journal::sealable() const {
  return bytes_ > config_.max_bytes / 2 && all_released();
}

// Removes what is of no use. A stop leaves nothing released: the next start is to find what is of
// use, and where the sequences stand; and whatever it leaves was acknowledged, so that nothing of
// it can pass for torn. False: it is to be tried again later.
bool Journal::tidy(bool stop) {
  bool seal = false;
  {
    MutexLock lock(mutex_);
    seal = (stop && has_records()) || (waiting_.empty() && sealable());
  }
  bool good = true;
  if (seal) {
    make_durable();
    good = static_cast<bool>(begin_segment());
  }
  return remove_released() && good;
}

// From the oldest on: that the later ones follow it is looked at when they are read.
bool Journal::remove_released() {
  for (;;) {
    std::string path;
    {
      MutexLock lock(mutex_);
      if (segments_.size() < 2 || segments_.front().last > released_) {
        return true;
      }
      path = path_of(segments_.front().number);
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return false;
    }
    MutexLock lock(mutex_);
    bytes_ -= segments_.front().size;
    segments_.pop_front();
  }
}

}  // namespace tiercache::journal
