// The disk refuses, takes a part, or does not make durable: none of what was acknowledged is lost,
// and nothing that failed is found.
#include "fixture.hpp"

#include <cerrno>
#include <cstdlib>
#include <random>
#include <set>
#include <string_view>
#include <utility>

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace tiercache;
using namespace tiercache::journal;

namespace {

Fault next_fault(std::deque<Fault>& faults) {
  char name[32] = "";
  ::pthread_getname_np(::pthread_self(), name, sizeof name);
  if (std::string_view(name) != "tiercache-jrnl") {
    return Fault::none;
  }
  const std::lock_guard lock(fault_mutex);
  if (faults.empty()) {
    return Fault::none;
  }
  const Fault fault = faults.front();
  faults.pop_front();
  return fault;
}

bool fails(Fault fault) {
  errno = fault == Fault::io ? EIO : ENOSPC;
  return fault == Fault::io || fault == Fault::full;
}

}  // namespace

// In the place of the C library's.
extern "C" ssize_t write(int fd, const void* bytes, size_t size) {
  const Fault fault = next_fault(write_faults);
  if (fails(fault)) {
    return -1;
  }
  return ::syscall(SYS_write, fd, bytes, fault == Fault::partial ? (size + 1) / 2 : size);
}

extern "C" int ftruncate(int fd, off_t size) noexcept {
  if (fails(next_fault(truncate_faults))) {
    return -1;
  }
  return static_cast<int>(::syscall(SYS_ftruncate, fd, size));
}

TEST_CASE("a write that takes a part only is gone on with") {
  Directory directory;
  {
    Open open(directory.path);
    set_faults({Fault::partial, Fault::partial, Fault::partial});
    open.append("in parts");
    open.wait();
    CHECK(open.errors.empty());
  }
  Open open(directory.path);
  CHECK(open.found.notes.empty());
  CHECK(open.values() == Values{"in parts"});
}

TEST_CASE("a write that fails, at once or in the middle, leaves nothing behind") {
  const std::vector<std::pair<std::deque<Fault>, std::string>> cases = {
      {{Fault::io}, "Input/output error"},
      {{Fault::full}, "No space left on device"},
      {{Fault::partial, Fault::io}, "Input/output error"},
      {{Fault::partial, Fault::partial, Fault::full}, "No space left on device"}};
  for (const auto& each : cases) {
    const std::string& text = each.second;
    CAPTURE(text);
    Directory directory;
    Directory crashed;
    {
      Open open(directory.path);
      open.append("good");
      open.wait();
      set_faults(each.first);
      open.append("failed");
      open.wait();
      REQUIRE(open.errors.size() == 1);
      CHECK(open.errors[0] == "the journal cannot be written: " + text);
      CHECK(open.unknown == 0);
      CHECK(open.journal->totals().failed == 1);
      crashed.copy(directory);
      open.append("good too");
      open.wait();
      CHECK(open.errors.size() == 1);
    }
    Open after(crashed.path);
    CHECK(after.found.notes.empty());
    CHECK(after.values() == Values{"good"});
    Open open(directory.path);
    CHECK(open.found.notes.empty());
    CHECK(open.values() == Values{"good", "good too"});
  }
}

TEST_CASE("what was written in part and cannot be cut off does not count") {
  Directory directory;
  Directory crashed;
  {
    Open open(directory.path);
    open.append("good");
    open.wait();
    set_faults({Fault::partial, Fault::io}, {Fault::io});
    open.append("failed");
    open.wait();
    REQUIRE(open.errors.size() == 1);
    CHECK(open.unknown == 0);
    CHECK(open.journal->totals().segments == 2);
    crashed.copy(directory);
    open.append("good too");
    open.wait();
  }
  CHECK(Open(crashed.path).values() == Values{"good"});
  CHECK(Open(directory.path).values() == Values{"good", "good too"});
}

TEST_CASE("where neither a cut nor another segment can be made the outcome is unknown") {
  Directory directory;
  Directory crashed;
  {
    Open open(directory.path);
    open.append("good");
    open.wait();
    // The third is the next segment's header.
    set_faults({Fault::partial, Fault::io, Fault::full}, {Fault::io});
    open.append("unknown");
    open.wait();
    REQUIRE(open.errors.size() == 1);
    CHECK(open.unknown == 1);
    crashed.copy(directory);
    // The next one cannot begin a segment either, but it has touched nothing.
    set_faults({Fault::full});
    open.append("failed");
    open.wait();
    REQUIRE(open.errors.size() == 2);
    CHECK(open.unknown == 1);
    open.append("good too");
    open.wait();
    CHECK(open.errors.size() == 2);
  }
  // A half of it is no record.
  Open after(crashed.path);
  CHECK(after.found.notes.size() == 1);
  CHECK(after.values() == Values{"good"});
  CHECK(Open(directory.path).values() == Values{"good", "good too"});
}

// TIERCACHE_SCHEDULES says how many.
TEST_CASE("whatever fails and when: what was acknowledged is found, in its order, and no more") {
  const char* const many = std::getenv("TIERCACHE_SCHEDULES");
  const unsigned schedules = many != nullptr ? static_cast<unsigned>(std::atoi(many)) : 100;
  std::size_t failures = 0;
  for (unsigned seed = 0; seed < schedules; seed++) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    Directory directory;
    std::map<std::uint64_t, std::string> acknowledged;
    std::set<std::string> unknown;
    for (int run = 0; run < 3; run++) {
      Open open(directory.path, std::size_t{1} << 30U,
                seed % 2 == 0 ? Sync::always : Sync::everysec);
      REQUIRE(open.journal);
      REQUIRE(open.found.records.size() >= acknowledged.size());
      for (const Record& record : open.found.records) {
        const std::string& value = *record.changes[0].value;
        const auto known = acknowledged.find(record.sequence);
        CHECK((known != acknowledged.end() ? known->second == value : unknown.contains(value)));
        acknowledged[record.sequence] = value;  // from now on it is there
      }
      for (int i = 0; i < 20; i++) {
        const auto fault = [&] {
          const auto luck = random() % 6;
          return luck > 3 ? Fault::none : static_cast<Fault>(luck);
        };
        if (random() % 3 == 0) {
          no_faults();
          set_faults({fault(), fault(), fault()}, {fault() == Fault::io ? Fault::io : Fault::none});
          sync_failures = static_cast<int>(random() % 8 == 0);
          file_sync_failures = static_cast<int>(random() % 8 == 0);
        }
        std::string value = std::to_string(run) + "." + std::to_string(i);
        value += std::string(random() % 5000, 'v');
        const std::size_t before = open.errors.size();
        const std::size_t doubts = open.unknown;
        open.append(value);
        open.wait();
        failures += open.errors.size() - before;
        if (open.unknown > doubts) {
          unknown.insert(value);
        }
      }
      no_faults();
      sync_failures = file_sync_failures = 0;
      acknowledged.merge(open.acknowledged);
      open.journal.reset();
    }
    Open last(directory.path);
    REQUIRE(last.journal);
    CHECK(std::ranges::is_sorted(last.found.records, {}, &Record::sequence));
    for (const auto& known : acknowledged) {
      CHECK(std::ranges::count(last.found.records, known.first, &Record::sequence) == 1);
    }
    CHECK(last.found.records.size() >= acknowledged.size());
  }
  CHECK(failures > schedules);
}
