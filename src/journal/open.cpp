// What is found when a journal is opened.
#include "tiercache/journal/files.hpp"
#include "tiercache/journal/journal.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <limits>
#include <random>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace tiercache::journal {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".journal";
constexpr std::size_t kLongestId = 64;
// A machine that fails may lose records (Sync::everysec) of which a source has durably noted that
// it has them. Nobody may get their sequences again, or what is written then passes for applied.
constexpr std::uint64_t kGap = std::uint64_t{1} << 32U;

// The seed has to be the same at each start, and nobody's to guess.
std::uint64_t seed_of(const std::string& id) {
  std::uint64_t seed = 0;
  std::from_chars(id.data(), id.data() + std::min<std::size_t>(id.size(), 16), seed, 16);
  return seed;
}

}  // namespace

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
  auto bytes = read_file(path, kLongestId);
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

// The numbers of the segments that are there, in their order.
Result<std::vector<std::uint64_t>> Journal::list_segments() const {
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
  return numbers;
}

// One at a time is in memory; what follows one is in the header of the next.
Status Journal::read_segments(Found& found) {
  auto numbers = list_segments();
  if (!numbers) {
    return std::move(numbers).error();
  }
  next_number_ = numbers->empty() ? 1 : numbers->back() + 1;
  std::vector<SegmentHeader> headers;
  for (std::size_t i = 0; i < numbers->size(); i++) {
    const std::string path = path_of((*numbers)[i]);
    auto bytes = read_file(path, kSegmentHeader + 1);
    if (!bytes) {
      return std::move(bytes).error();
    }
    const auto header = read_segment_header(*bytes, seed_);
    if (!header && i + 1 == numbers->size() && bytes->size() <= kSegmentHeader) {
      // It was being begun: nothing can be in it.
      found.notes.push_back(path + " was not begun whole, and is removed");
      ::unlink(path.c_str());
      numbers->pop_back();
      break;
    }
    if (!header) {
      return Error{ErrorCode::invalid, path + " is no segment of this journal"};
    }
    headers.push_back(*header);
  }
  if (numbers->empty()) {
    // The sequences begin anew, so nobody may take them for those of before.
    return make_id();
  }
  for (std::size_t i = 0; i < numbers->size(); i++) {
    const bool newest = i + 1 == numbers->size();
    if (i > 0 && headers[i].previous_next != next_) {
      return Error{ErrorCode::invalid, path_of((*numbers)[i]) + " follows record " +
                                           std::to_string(headers[i].previous_next - 1) +
                                           " and not " + std::to_string(next_ - 1) +
                                           ": a segment before it is missing, or damaged"};
    }
    if (Status status =
            read_segment((*numbers)[i], headers[i], newest ? nullptr : &headers[i + 1], found);
        !status) {
      return status;
    }
  }
  {
    MutexLock lock(mutex_);
    released_ = found.records.empty() ? segments_.back().last : 0;
  }
  durable_ = next_ - 1;
  next_ += kGap;
  return make_found_durable();
}

// REQUIRES: `following` is nothing for the newest.
Status Journal::read_segment(std::uint64_t number, const SegmentHeader& header,
                             const SegmentHeader* following, Found& found) {
  const std::string path = path_of(number);
  auto bytes = read_file(
      path, following ? following->previous_size : std::numeric_limits<std::size_t>::max());
  if (!bytes) {
    return std::move(bytes).error();
  }
  next_ = header.first;
  Scanned scanned = scan_segment(*bytes, next_, seed_);
  if (scanned.end == End::damaged ||
      (following && (scanned.end != End::clean || bytes->size() < following->previous_size))) {
    return Error{ErrorCode::invalid,
                 path + " is damaged at byte " + std::to_string(scanned.size) + ", behind record " +
                     std::to_string(next_ + scanned.records.size() - 1) +
                     "; acknowledged writes are lost in it" +
                     (scanned.end == End::clean ? ", or a segment is missing" : "")};
  }
  if (scanned.end == End::torn) {
    found.notes.push_back(path + " ends with " + std::to_string(bytes->size() - scanned.size) +
                          " bytes of a record that was not written whole; they are cut");
  }
  next_ += scanned.records.size();
  MutexLock lock(mutex_);
  const std::uint64_t before = segments_.empty() ? header.previous_next - 1 : segments_.back().last;
  segments_.push_back({number, scanned.records.empty() ? before : next_ - 1, scanned.size});
  bytes_ += scanned.size;
  std::move(scanned.records.begin(), scanned.records.end(), std::back_inserter(found.records));
  return Unit{};
}

// The next segment is going to say that what was found is there: so it has to be on disk, and not
// only in the memory of a kernel that outlived the process.
Status Journal::make_found_durable() {
  std::string path;
  {
    MutexLock lock(mutex_);
    path = path_of(segments_.back().number);
  }
  const Descriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (file.get() < 0 || ::fdatasync(file.get()) != 0) {
    return failed("cannot make " + path + " durable", errno);
  }
  return Unit{};
}

}  // namespace tiercache::journal
