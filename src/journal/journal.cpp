#include "tiercache/journal/journal.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tiercache::journal {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestSegment = std::size_t{64} << 20U;
constexpr std::size_t kSmallestSegment = std::size_t{64} << 10U;
// Of max_bytes one segment takes such a part, so that there is room again before all is released.
constexpr std::size_t kParts = 8;
constexpr auto kSyncInterval = std::chrono::seconds(1);
constexpr std::string_view kSuffix = ".journal";
constexpr std::size_t kDigits = 12;

std::string text_of(int error) {
  return std::generic_category().message(error);
}

Error failed(const std::string& what, int error) {
  return {ErrorCode::unavailable, what + ": " + text_of(error)};
}

// Makes the names in a directory durable.
bool sync_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool good = fd >= 0 && ::fsync(fd) == 0;
  if (fd >= 0) {
    ::close(fd);
  }
  return good;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad()) {
    return failed("cannot read " + path, errno);
  }
  return bytes;
}

// 0: all was written.
int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return written < 0 ? errno : EIO;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

// The seed has to be the same at each start, and nobody's to guess.
std::uint64_t seed_of(const std::string& id) {
  std::uint64_t seed = 0;
  std::from_chars(id.data(), id.data() + std::min<std::size_t>(id.size(), 16), seed, 16);
  return seed;
}

}  // namespace

void Journal::Descriptor::reset(int fd) noexcept {
  if (fd_ >= 0) {
    ::close(fd_);
  }
  fd_ = fd;
}

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

Status Journal::lock() {
  const std::string path = config_.directory + "/lock";
  lock_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock_.get() < 0) {
    return failed("cannot open " + path, errno);
  }
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error{ErrorCode::unavailable,
                 "the journal in " + config_.directory + " is in use by another process"};
  }
  return Unit{};
}

// Empty: there is none.
Status Journal::read_id() {
  const std::string path = config_.directory + "/id";
  if (!fs::exists(path)) {
    return Unit{};
  }
  auto bytes = read_file(path);
  if (!bytes) {
    return std::move(bytes).error();
  }
  id_ = std::move(*bytes);
  seed_ = seed_of(id_);
  return Unit{};
}

// In a file of its own that takes the other's place at once.
Status Journal::make_id() {
  std::random_device entropy;
  id_.clear();
  for (int i = 0; i < 4; i++) {
    char digits[9];
    std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(entropy()));
    id_ += digits;
  }
  seed_ = seed_of(id_);
  const std::string path = config_.directory + "/id";
  const std::string fresh = path + ".new";
  Descriptor file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (file.get() < 0) {
    return failed("cannot make " + fresh, errno);
  }
  if (const int error = write_all(file.get(), id_); error != 0 || ::fsync(file.get()) != 0) {
    return failed("cannot write " + fresh, error != 0 ? error : errno);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0 || !sync_directory(config_.directory)) {
    return failed("cannot make " + path, errno);
  }
  return Unit{};
}

std::string Journal::path_of(std::uint64_t number) const {
  std::string digits = std::to_string(number);
  digits.insert(0, kDigits - std::min(kDigits, digits.size()), '0');
  return config_.directory + "/" + digits + std::string(kSuffix);
}

Status Journal::read_segments(Found& found) {
  std::vector<std::uint64_t> numbers;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(config_.directory, error)) {
    const std::string name = entry.path().filename().string();
    std::uint64_t number = 0;
    const auto end = std::from_chars(name.data(), name.data() + name.size(), number).ptr;
    if (std::string_view(end, static_cast<std::size_t>(name.data() + name.size() - end)) ==
        kSuffix) {
      numbers.push_back(number);
    }
  }
  if (error) {
    return Error{ErrorCode::unavailable,
                 "cannot read " + config_.directory + ": " + error.message()};
  }
  std::sort(numbers.begin(), numbers.end());
  next_number_ = numbers.empty() ? 1 : numbers.back() + 1;
  std::vector<std::string> bytes;
  std::vector<SegmentHeader> headers;
  for (std::size_t i = 0; i < numbers.size(); i++) {
    auto its = read_file(path_of(numbers[i]));
    if (!its) {
      return std::move(its).error();
    }
    const auto header = read_segment_header(*its, seed_);
    if (!header && i + 1 == numbers.size() && its->size() <= kSegmentHeader) {
      // It was being begun: nothing can be in it.
      found.notes.push_back(path_of(numbers[i]) + " was not begun whole, and is removed");
      ::unlink(path_of(numbers[i]).c_str());
      numbers.pop_back();
      break;
    }
    if (!header) {
      return Error{ErrorCode::invalid, path_of(numbers[i]) + " is no segment of this journal"};
    }
    bytes.push_back(std::move(*its));
    headers.push_back(*header);
  }
  if (numbers.empty()) {
    // The sequences begin anew, so nobody may take them for those of before.
    return make_id();
  }
  MutexLock lock(mutex_);
  for (std::size_t i = 0; i < numbers.size(); i++) {
    const std::string path = path_of(numbers[i]);
    const bool newest = i + 1 == numbers.size();
    if (i > 0 && headers[i].first != next_) {
      return Error{ErrorCode::invalid,
                   path + " begins with record " + std::to_string(headers[i].first) + " and not " +
                       std::to_string(next_) + ": a segment before it is missing, or damaged"};
    }
    std::string_view counted = bytes[i];
    if (!newest) {
      counted = counted.substr(0, headers[i + 1].previous_size);
    }
    next_ = headers[i].first;
    Scanned scanned = scan_segment(counted, next_, seed_);
    if (scanned.end == End::damaged ||
        (!newest && (scanned.end != End::clean || counted.size() < headers[i + 1].previous_size))) {
      return Error{ErrorCode::invalid, path + " is damaged at byte " +
                                           std::to_string(scanned.size) + ", behind record " +
                                           std::to_string(next_ + scanned.records.size() - 1) +
                                           "; acknowledged writes are lost in it"};
    }
    if (scanned.end == End::torn) {
      found.notes.push_back(path + " ends with " + std::to_string(bytes[i].size() - scanned.size) +
                            " bytes of a record that was not written whole; they are cut");
    }
    next_ += scanned.records.size();
    std::move(scanned.records.begin(), scanned.records.end(), std::back_inserter(found.records));
    segments_.push_back({numbers[i], next_ - 1, scanned.size});
    bytes_ += scanned.size;
  }
  return Unit{};
}

// Its header says what of the one before counts.
Status Journal::begin_segment() {
  std::size_t previous = 0;
  {
    MutexLock lock(mutex_);
    previous = segments_.empty() ? 0 : segments_.back().size;
  }
  usable_ = false;
  const std::string path = path_of(next_number_);
  file_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (file_.get() < 0) {
    return failed("cannot make " + path, errno);
  }
  std::string header;
  append_segment_header(header, {previous, next_}, seed_);
  int error = write_all(file_.get(), header);
  if (error == 0 && (::fsync(file_.get()) != 0 || !sync_directory(config_.directory))) {
    error = errno;
  }
  if (error != 0) {
    ::unlink(path.c_str());
    return failed("cannot write " + path, error);
  }
  MutexLock lock(mutex_);
  segments_.push_back({next_number_++, next_ - 1, header.size()});
  bytes_ += header.size();
  usable_ = true;
  return Unit{};
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
  auto sync_at = std::chrono::steady_clock::now() + kSyncInterval;
  for (;;) {
    std::vector<Waiting> batch;
    bool stop = false;
    {
      MutexLock lock(mutex_);
      while (waiting_.empty() && !stopping_) {
        const bool removable = segments_.size() > 1 && segments_.front().last <= released_;
        if (removable || (!durable_ && std::chrono::steady_clock::now() >= sync_at)) {
          break;
        }
        if (durable_) {
          ready_.wait(mutex_);
        } else {
          ready_.wait_until(mutex_, sync_at);
        }
      }
      stop = stopping_ && waiting_.empty();
      std::move(waiting_.begin(), waiting_.end(), std::back_inserter(batch));
      waiting_.clear();
    }
    if (!batch.empty()) {
      write_batch(std::move(batch));
    }
    if (!durable_ && (stop || std::chrono::steady_clock::now() >= sync_at)) {
      make_durable();
    }
    if (durable_) {
      sync_at = std::chrono::steady_clock::now() + kSyncInterval;
    }
    if (stop) {
      leave_nothing_released();
    }
    remove_released();
    if (stop) {
      return;
    }
  }
}

// Where it fails, what was written before and not told to be durable may be lost; nobody can say.
void Journal::make_durable() {
  ::fdatasync(file_.get());
  durable_ = true;
}

// Empty: the bytes are there, behind what was there.
std::string Journal::write(const std::string& bytes) {
  std::size_t good = 0;
  bool full = false;
  {
    MutexLock lock(mutex_);
    good = segments_.back().size;
    // One whose records are all released makes room for a small one.
    full = good > segment_bytes_ || (good > kSmallestSegment && segments_.back().last <= released_);
  }
  if (!usable_ || full) {
    if (!durable_) {
      make_durable();
    }
    if (Status status = begin_segment(); !status) {
      return status.error().detail;
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
    durable_ = config_.sync == Sync::always;
    return {};
  }
  const bool cut = ::ftruncate(file_.get(), static_cast<off_t>(good)) == 0 &&
                   ::lseek(file_.get(), static_cast<off_t>(good), SEEK_SET) >= 0;
  usable_ = cut && !lost;
  return "the journal cannot be written: " + text_of(error);
}

void Journal::write_batch(std::vector<Waiting> batch) {
  std::string bytes;
  std::uint64_t sequence = next_;
  std::size_t counted = 0;
  for (Waiting& one : batch) {
    one.record.sequence = sequence++;
    counted += one.size;
    append_record(bytes, one.record, seed_);
  }
  const std::string error = write(bytes);
  {
    MutexLock lock(mutex_);
    if (error.empty()) {
      segments_.back().last = sequence - 1;
      segments_.back().size += bytes.size();
      totals_.records += batch.size();
      totals_.writes++;
    } else {
      bytes_ -= counted;
      totals_.failed += batch.size();
    }
  }
  if (error.empty()) {
    next_ = sequence;
  }
  for (const Waiting& one : batch) {
    one.done(error.empty() ? one.record.sequence : 0, error);
  }
}

// The next start is to find what is of use, and where the sequences stand.
void Journal::leave_nothing_released() {
  bool all = false;
  {
    MutexLock lock(mutex_);
    all = segments_.back().size > kSegmentHeader && segments_.back().last <= released_;
  }
  if (all) {
    static_cast<void>(begin_segment());  // where it cannot be the next start finds more
  }
}

// From the oldest on: that the later ones follow it is looked at when they are read.
void Journal::remove_released() {
  for (;;) {
    std::string path;
    {
      MutexLock lock(mutex_);
      if (segments_.size() < 2 || segments_.front().last > released_) {
        return;
      }
      path = path_of(segments_.front().number);
      bytes_ -= segments_.front().size;
      segments_.pop_front();
    }
    ::unlink(path.c_str());
  }
}

}  // namespace tiercache::journal
