// What was acknowledged is there at the next start though the disk fails, and there is room again.
#include "fixture.hpp"

#include <cerrno>
#include <csignal>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace tiercache;
using namespace tiercache::journal;

// In the place of the C library's.
extern "C" int fdatasync(int fd) {
  if (sync_good > 0) {
    sync_good--;
  } else if (sync_failures > 0) {
    sync_failures--;
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

extern "C" int fsync(int fd) {
  if (file_sync_failures > 0) {
    file_sync_failures--;
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fsync, fd));
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

TEST_CASE("a segment that cannot be read is an error that names it") {
  Directory directory;
  { Open open(directory.path); }
  const fs::path path = directory.path / "000000000009.journal";
  fs::create_directory(path);  // reading it fails
  Open open(directory.path);
  REQUIRE_FALSE(open.journal);
  CHECK(open.errors[0].find("cannot read " + path.string()) != std::string::npos);
}

TEST_CASE("what cannot be made durable once a second is written anew, and kept") {
  for (const int failures : {1, 3}) {
    CAPTURE(failures);
    Directory directory;
    fs::path given_up;
    std::uintmax_t durable = 0;
    std::map<std::uint64_t, std::string> acknowledged;
    {
      Open open(directory.path, std::size_t{1} << 30U, Sync::everysec);
      REQUIRE(open.journal);
      given_up = directory.newest();
      sync_good = 1;
      sync_failures = failures;
      open.append("durable");
      open.wait();
      until_seen([] { return sync_good == 0; });
      durable = fs::file_size(given_up);
      for (int i = 0; i < 5; i++) {
        open.append(std::to_string(i));
      }
      open.wait();
      CHECK(open.errors.empty());
      until_seen([&] { return sync_failures == 0 && open.journal->totals().segments == 2; });
      CHECK(open.journal->totals().sync_failures == 1);
      open.append("more");
      open.wait();
      CHECK(open.acknowledged.size() == 7);
      CHECK(open.acknowledged.rbegin()->first == 7);
      acknowledged = open.acknowledged;
    }
    fs::resize_file(given_up, durable);  // the disk never had them there
    Open open(directory.path);
    REQUIRE(open.journal);
    REQUIRE(open.found.records.size() == acknowledged.size());
    for (const Record& record : open.found.records) {
      CHECK(acknowledged[record.sequence] == *record.changes[0].value);
    }
  }
}

TEST_CASE("what failed because it could not be made durable is found at no start") {
  Directory directory;
  Directory crashed;
  {
    Open open(directory.path);
    open.append("good");
    open.wait();
    sync_failures = 1;
    open.append("failed");
    open.wait();
    REQUIRE(open.errors.size() == 1);
    CHECK(open.errors[0].ends_with("error"));
    CHECK(open.unknown == 0);
    CHECK(open.journal->totals().segments == 2);
    crashed.copy(directory);
    open.append("good too");
    open.wait();
    CHECK(open.errors.size() == 1);
  }
  // Though the disk had taken some of it.
  std::ofstream(crashed.segments().front(), std::ios::app) << "failed";
  Open after(crashed.path);
  CHECK(after.found.notes.empty());
  CHECK(after.errors.empty());
  CHECK(after.values() == Values{"good"});
  CHECK(Open(directory.path).values() == Values{"good", "good too"});
}

TEST_CASE("where not even that can be said, the error says so") {
  Directory directory;
  Open open(directory.path);
  sync_failures = 1;
  file_sync_failures = 1;
  open.append("unknown");
  open.wait();
  REQUIRE(open.errors.size() == 1);
  CHECK(open.errors[0].ends_with("the write may still be applied"));
  CHECK(open.unknown == 1);
  open.append("good");
  open.wait();
  CHECK(open.acknowledged.size() == 1);
  open.journal.reset();
  CHECK(Open(directory.path).values() == Values{"good"});
}

TEST_CASE("what was found and cannot be made durable is no start") {
  Directory directory;
  {
    Open open(directory.path);
    open.append("1");
    open.wait();
  }
  sync_failures = 1;
  CHECK(Open(directory.path)
            .errors.at(0)
            .find("cannot make " + directory.newest().string() + " durable") != std::string::npos);
  CHECK(Open(directory.path).values() == Values{"1"});
}

TEST_CASE("when all is released there is room, however large what was written") {
  constexpr std::size_t kMax = std::size_t{4} << 20U;
  Directory directory;
  Open open(directory.path, kMax);
  for (int i = 0; i < 3; i++) {
    CAPTURE(i);
    REQUIRE(open.append(std::string(kMax / 4 * 3, 'v')) == Journal::Taken::yes);
    open.wait();
    REQUIRE(open.append(std::string(kMax / 2, 'v')) == Journal::Taken::full);
    open.journal->release(open.acknowledged.rbegin()->first);
    until_seen([&] { return open.journal->totals().bytes < 1000; });
  }
}

TEST_CASE("a burst is written in parts of a segment each") {
  constexpr std::size_t kMax = std::size_t{4} << 20U;
  constexpr std::size_t kValue = 10'000;
  Directory directory;
  Open open(directory.path, kMax);
  std::atomic<bool> go{false};
  // The journal's thread waits in here while the burst comes.
  REQUIRE(open.journal->append({0, 0, {{"key", "value"}}}, [&](const Journal::Outcome&) {
    until_seen([&] { return go.load(); });
  }) == Journal::Taken::yes);
  while (open.append(std::string(kValue, 'v')) == Journal::Taken::yes) {
  }
  go = true;
  open.wait();
  CHECK(open.errors.empty());
  CHECK(open.journal->totals().segments >= 3);
  for (const fs::path& segment : directory.segments()) {
    CHECK(fs::file_size(segment) <= kMax / 4 + 2 * kValue);
  }
}

TEST_CASE("a segment that cannot be removed keeps those behind it, until it can be") {
  constexpr std::size_t kMax = std::size_t{1} << 20U;
  Directory directory;
  Open open(directory.path, kMax);
  while (open.append(std::string(10'000, 'v')) == Journal::Taken::yes) {
    open.wait();
  }
  const auto segments = directory.segments();
  REQUIRE(segments.size() > 3);
  fs::remove(segments[0]);
  fs::create_directories(segments[0] / "full");
  open.journal->release(open.acknowledged.rbegin()->first - 1);
  for (int i = 0; i < 3; i++) {
    open.append("small");
    open.wait();
  }
  CHECK(fs::exists(segments[1]));
  CHECK(open.journal->totals().segments == segments.size());
  fs::remove_all(segments[0]);
  until_seen([&] { return open.journal->totals().segments == 1; });
  CHECK_FALSE(fs::exists(segments[1]));
}
