// The journal's files: what was acknowledged is there at the next start, whatever is found there.
#include "fixture.hpp"

using namespace tiercache;
using namespace tiercache::journal;

TEST_CASE("what was acknowledged is found at the next start, and sequences go on") {
  Directory directory;
  std::string id;
  std::uint64_t last = 0;
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
    CHECK(open.acknowledged.begin()->first > last);
    CHECK(open.acknowledged.rbegin()->first == open.acknowledged.begin()->first + 2);
    last = open.acknowledged.rbegin()->first;
  }
  Open open(directory.path);
  CHECK(open.values() == Values{"1", "2", "3", "4", "5", "6"});
  CHECK(open.found.notes.empty());
  open.journal->release(last - 1);
  open.journal.reset();
  {
    Open again(directory.path);
    CHECK(again.values() == Values{"4", "5", "6"});
    again.journal->release(last);
  }
  Open empty(directory.path);
  CHECK(empty.values().empty());
  CHECK(empty.journal->id() == id);
  CHECK(empty.journal->totals().segments <= 3);
  empty.append("7");
  empty.wait();
  CHECK(empty.acknowledged.begin()->first > last);
}

// A source may have durably noted the sequences of records that the journal has lost.
TEST_CASE("no sequence is given out again though its record is lost with the machine") {
  Directory directories[4];
  std::uint64_t last = 0;
  for (int start = 0; start < 3; start++) {
    CAPTURE(start);
    const Directory& directory = directories[start];
    const Directory& crashed = directories[start + 1];
    {
      Open open(directory.path, std::size_t{1} << 30U, Sync::everysec);
      REQUIRE(open.journal);
      CHECK(open.values().size() == static_cast<std::size_t>(start));
      CHECK(open.found.notes.empty());
      open.append("kept");
      open.wait();
      crashed.copy(directory);
      for (int i = 0; i < 5; i++) {
        open.append("lost");
      }
      open.wait();
      CHECK(open.acknowledged.begin()->first > last);
      last = open.acknowledged.rbegin()->first;
    }
  }
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
    Directory running;
    Open open(running.path);
    open.append("1");
    open.append("2");
    open.wait();
    directory.copy(running);
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
    CHECK(open.acknowledged.begin()->first > 2);
  }
  Open open(directory.path);
  CHECK(open.values() == Values{"1", "another 2"});
  CHECK(open.found.notes.empty());
}

TEST_CASE("behind a stop in order no damage passes for a torn end") {
  for (const Sync sync : {Sync::always, Sync::everysec}) {
    CAPTURE(static_cast<int>(sync));
    Directory directory;
    {
      Open open(directory.path, std::size_t{1} << 30U, sync);
      open.append("1");
      open.wait();
      open.append("2");
      open.wait();
    }
    const fs::path segment = directory.filled();
    const std::string whole = read(segment);
    std::string rotten = whole;
    rotten[rotten.size() - 2] ^= 1;
    for (const std::string& bytes : {rotten, whole.substr(0, whole.size() - 3)}) {
      write(segment, bytes);
      Open damaged(directory.path);
      REQUIRE_FALSE(damaged.journal);
      CHECK(damaged.errors[0].find("acknowledged writes are lost in it") != std::string::npos);
    }
    write(segment, whole);
    Open open(directory.path);
    CHECK(open.values() == Values{"1", "2"});
    open.journal->release(open.found.records.back().sequence);
    until_seen([&] { return open.journal->totals().segments == 1; });
  }
}

TEST_CASE("damage before the end, and a missing segment, are errors that name the file") {
  Directory directory;
  Directory running;
  for (int start = 0; start < 3; start++) {
    Open open(running.path);
    open.append(std::to_string(start) + "a");
    open.wait();  // it is durable before the next is written
    open.append(std::to_string(start) + "b");
    open.wait();
    if (start == 2) {
      directory.copy(running);
    }
  }
  auto segments = directory.segments();
  std::erase_if(segments, [](const auto& path) { return fs::file_size(path) <= kSegmentHeader; });
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
    CHECK(damaged.errors[0].find("is damaged at byte 36") != std::string::npos);
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
  CHECK(missing.errors[0].find("a segment is missing") != std::string::npos);
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
  write(directory.path / "000000000009.journal", "TCJ2");
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
