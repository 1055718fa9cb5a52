// The journal's files: what was acknowledged is there at the next start, whatever went wrong.
#include "tiercache/journal/journal.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/resource.h>

using namespace tiercache;
using namespace tiercache::journal;
namespace fs = std::filesystem;

namespace {

struct Directory {
  fs::path path;

  Directory() {
    char name[] = "/tmp/tiercache-journal-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~Directory() {
    fs::remove_all(path);
  }
  std::vector<fs::path> segments() const {
    std::vector<fs::path> all;
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.path().extension() == ".journal") {
        all.push_back(entry.path());
      }
    }
    std::sort(all.begin(), all.end());
    return all;
  }
  // The only one with records in it.
  fs::path filled() const {
    const auto all = segments();
    const auto largest = std::max_element(all.begin(), all.end(), [](const auto& a, const auto& b) {
      return fs::file_size(a) < fs::file_size(b);
    });
    return *largest;
  }
};

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// A journal, and what it has acknowledged.
struct Open {
  Journal::Found found;
  std::mutex mutex;
  std::condition_variable came;
  std::map<std::uint64_t, std::string> acknowledged;  // the values by sequence
  std::vector<std::string> errors;
  std::size_t asked = 0;
  std::unique_ptr<Journal> journal;  // goes first: it calls back

  explicit Open(const fs::path& path, std::size_t max_bytes = std::size_t{1} << 30U,
                Sync sync = Sync::always) {
    auto opened = Journal::open({path.string(), sync, max_bytes}, found);
    if (!opened) {
      errors.push_back(opened.error().detail);
      return;
    }
    journal = std::move(*opened);
  }
  Journal::Taken append(const std::string& value) {
    const auto taken = journal->append({0, 0, {{"key", value}}},
                                       [this, value](std::uint64_t sequence, std::string error) {
                                         const std::lock_guard lock(mutex);
                                         if (error.empty()) {
                                           acknowledged[sequence] = value;
                                         } else {
                                           errors.push_back(std::move(error));
                                         }
                                         came.notify_all();
                                       });
    if (taken == Journal::Taken::yes) {
      const std::lock_guard lock(mutex);
      asked++;
    }
    return taken;
  }
  void wait() {
    std::unique_lock lock(mutex);
    REQUIRE(came.wait_for(lock, std::chrono::seconds(60),
                          [&] { return acknowledged.size() + errors.size() >= asked; }));
  }
  std::vector<std::string> values() const {
    std::vector<std::string> all;
    for (const Record& record : found.records) {
      all.push_back(*record.changes[0].value);
    }
    return all;
  }
};

using Values = std::vector<std::string>;

}  // namespace

TEST_CASE("what was acknowledged is found at the next start, and sequences go on") {
  Directory directory;
  std::string id;
  for (const Sync sync : {Sync::always, Sync::everysec}) {
    CAPTURE(static_cast<int>(sync));
    const bool first = sync == Sync::always;
    Open open(directory.path, std::size_t{1} << 30U, sync);
    REQUIRE(open.journal);
    CHECK(open.values() == (first ? Values{} : Values{"1", "2", "3"}));
    CHECK((first || open.journal->id() == id));
    id = open.journal->id();
    CHECK(id.size() == 32);
    for (int i = 1; i <= 3; i++) {
      open.append(std::to_string(first ? i : i + 3));
    }
    open.wait();
    CHECK(open.acknowledged.begin()->first == (first ? 1 : 4));
    CHECK(open.acknowledged.rbegin()->first == (first ? 3 : 6));
  }
  Open open(directory.path);
  CHECK(open.values() == Values{"1", "2", "3", "4", "5", "6"});
  CHECK(open.found.notes.empty());
  open.journal->release(5);
  open.journal.reset();
  {
    Open again(directory.path);
    CHECK(again.values() == Values{"4", "5", "6"});
    again.journal->release(6);
  }
  Open last(directory.path);
  CHECK(last.values().empty());
  CHECK(last.journal->id() == id);
  last.append("7");
  last.wait();
  CHECK(last.acknowledged.begin()->first == 7);
}

TEST_CASE("where all segments are gone the sequences are another journal's") {
  Directory directory;
  std::string id;
  {
    Open open(directory.path);
    id = open.journal->id();
    open.append("1");
    open.wait();
  }
  for (const fs::path& segment : directory.segments()) {
    fs::remove(segment);
  }
  Open open(directory.path);
  CHECK(open.journal->id() != id);
}

TEST_CASE("one process has it") {
  Directory directory;
  Open open(directory.path);
  Open other(directory.path);
  REQUIRE_FALSE(other.journal);
  CHECK(other.errors[0].ends_with("is in use by another process"));
}

TEST_CASE("appends from many threads share writes, and keep each thread's order") {
  constexpr int kThreads = 8;
  constexpr int kEach = 200;
  Directory directory;
  {
    Open open(directory.path);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; t++) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; i++) {
          open.append(std::to_string(t) + " " + std::to_string(i));
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    open.wait();
    CHECK(open.journal->totals().records == kThreads * kEach);
    CHECK(open.journal->totals().writes < kThreads * kEach);
  }
  Open open(directory.path);
  REQUIRE(open.found.records.size() == kThreads * kEach);
  std::map<std::string, int> next;
  for (const std::string& value : open.values()) {
    const auto blank = value.find(' ');
    CHECK(std::stoi(value.substr(blank)) == next[value.substr(0, blank)]++);
  }
}

TEST_CASE("a torn end is cut and noted, and the journal goes on behind it") {
  Directory directory;
  {
    Open open(directory.path);
    open.append("1");
    open.append("2");
    open.wait();
  }
  const fs::path segment = directory.filled();
  fs::resize_file(segment, fs::file_size(segment) - 3);
  {
    Open open(directory.path);
    CHECK(open.values() == Values{"1"});
    REQUIRE(open.found.notes.size() == 1);
    CHECK(open.found.notes[0].find("they are cut") != std::string::npos);
    open.append("another 2");
    open.wait();
    CHECK(open.acknowledged.begin()->first == 2);
  }
  Open open(directory.path);
  CHECK(open.values() == Values{"1", "another 2"});
  CHECK(open.found.notes.empty());
}

TEST_CASE("damage before the end, and a missing segment, are errors that name the file") {
  Directory directory;
  for (int start = 0; start < 3; start++) {
    Open open(directory.path);
    open.append(std::to_string(start) + "a");
    open.append(std::to_string(start) + "b");
    open.wait();
  }
  const auto segments = directory.segments();
  REQUIRE(segments.size() == 3);
  for (std::size_t i = 0; i < segments.size(); i++) {
    CAPTURE(i);
    const std::string whole = read(segments[i]);
    std::string bytes = whole;
    bytes[kSegmentHeader + kRecordHeader + 2] ^= 1;  // in the first of two records
    write(segments[i], bytes);
    Open damaged(directory.path);
    REQUIRE_FALSE(damaged.journal);
    CHECK(damaged.errors[0].find(segments[i].string()) != std::string::npos);
    CHECK(damaged.errors[0].find("is damaged at byte 28") != std::string::npos);
    // Cut short, it is no torn end where others follow.
    write(segments[i], whole.substr(0, whole.size() - 1));
    if (i + 1 < segments.size()) {
      Open cut(directory.path);
      REQUIRE_FALSE(cut.journal);
      CHECK(cut.errors[0].find("is damaged") != std::string::npos);
    }
    write(segments[i], whole);
  }
  const std::string middle = read(segments[1]);
  fs::remove(segments[1]);
  Open missing(directory.path);
  REQUIRE_FALSE(missing.journal);
  CHECK(missing.errors[0].find("a segment before it is missing") != std::string::npos);
  write(segments[1], middle);
  CHECK(Open(directory.path).values() == Values{"0a", "0b", "1a", "1b", "2a", "2b"});
}

TEST_CASE("a segment that was not begun whole is removed") {
  Directory directory;
  {
    Open open(directory.path);
    open.append("1");
    open.wait();
  }
  write(directory.path / "000000000009.journal", "TCJ1");
  Open open(directory.path);
  CHECK(open.values() == Values{"1"});
  CHECK(open.found.notes.size() == 1);
}

TEST_CASE("it is full at its limit, and takes more when old records are released") {
  constexpr std::size_t kMax = std::size_t{1} << 20U;
  Directory directory;
  Open open(directory.path, kMax);
  const std::string value(10'000, 'v');
  std::size_t taken = 0;
  while (open.append(value) == Journal::Taken::yes) {
    taken++;
    open.wait();
  }
  CHECK(taken > 90);
  CHECK(open.journal->totals().bytes <= kMax);
  CHECK(open.journal->totals().segments > 4);
  CHECK(open.append("more") == Journal::Taken::yes);  // a small one has room still
  open.journal->release(taken / 2);
  std::atomic<bool> again{false};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!again && std::chrono::steady_clock::now() < deadline) {
    again = open.append(value) == Journal::Taken::yes;
    std::this_thread::yield();
  }
  CHECK(again);
  open.wait();
  CHECK(open.journal->totals().segments < 10);
}

// The file may not grow beyond a limit, as if the disk was full.
TEST_CASE("where it cannot be written appends fail, none that was acknowledged is lost") {
  constexpr rlim_t kLimit = 20'000;
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  Directory directory;
  std::map<std::uint64_t, std::string> acknowledged;
  {
    Open open(directory.path);
    rlimit low = before;
    low.rlim_cur = kLimit;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &low) == 0);
    for (int i = 0; i < 60; i++) {
      open.append(std::to_string(i) + std::string(997, 'v'));
      if (i % 5 == 4) {
        open.wait();
      }
    }
    const std::size_t failed = open.errors.size();
    CHECK(failed > 0);
    CHECK(failed < 60);
    CHECK(open.errors[0].find("File too large") != std::string::npos);
    CHECK(open.journal->totals().failed == failed);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    for (int i = 100; i < 110; i++) {
      open.append(std::to_string(i));
    }
    open.wait();
    CHECK(open.errors.size() == failed);
    acknowledged = open.acknowledged;
  }
  Open open(directory.path);
  REQUIRE(open.journal);
  CHECK(open.found.notes.empty());
  REQUIRE(open.found.records.size() == acknowledged.size());
  for (const Record& record : open.found.records) {
    CHECK(acknowledged[record.sequence] == *record.changes[0].value);
  }
}
