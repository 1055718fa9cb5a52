// Write-back where the journal has no room: writes that go through.
#include "back_source.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::proxy {

// The journal has room for one large write, which waits in its transaction until `go`.
struct Full {
  Directory directory;
  Fake fake;
  std::atomic<bool> asked{false};
  std::atomic<bool> go{false};
  std::atomic<int> applied{0};
  std::atomic<int> failed{0};
  std::atomic<int> refused{0};
  std::unique_ptr<WriteBack> back;

  explicit Full(milliseconds timeout) {
    config::Journal journal = journal_in(directory);
    journal.max_bytes = 60'000;
    back = make(journal, fake, false, timeout);
    REQUIRE(bool(back->open({})));
    fake.answer = [this](const Tried& tried) {
      asked = true;
      while (!go) {
        std::this_thread::yield();
      }
      return std::ranges::count(tried.values, large("bad")) > 0 ? Written{Kind::refused, "bad", {}}
                                                                : Written{Kind::applied, {}, {}};
    };
    write(large("1"), nothing);
    until_seen([this] { return asked.load(); });
  }
  ~Full() {
    go = true;
  }
  static std::string large(const std::string& name) {
    return name + std::string(50'000, '.');
  }
  void write(const std::string& value, WriteBack::Done done) const {
    REQUIRE(back->put(0, record_of({value}), std::move(done)));
  }
  void write_through(const std::string& name) {
    write(large(name), [this](const Written& written, std::uint64_t sequence) {
      CHECK(sequence == 0);
      (written.kind == Kind::applied   ? applied
       : written.kind == Kind::refused ? refused
                                       : failed)++;
    });
  }
  std::vector<std::string> names() {
    const std::lock_guard lock(fake.mutex);
    std::vector<std::string> names;
    for (const std::string& value : fake.applied) {
      names.push_back(value.substr(0, value.find('.')));
    }
    return names;
  }
};

TEST_CASE("write-back: what goes through is given up in time, also while the source is busy") {
  Full its(milliseconds(50));
  its.write_through("2");
  its.write_through("3");
  until_seen([&] { return its.failed == 2; });
  CHECK(its.back->totals(0).pending == 1);
  its.go = true;
  until_seen([&] { return its.back->unapplied() == 0; });
  // Whoever was told that it failed does not find it in the source later.
  CHECK(its.names() == std::vector<std::string>{"1"});
  CHECK(its.applied == 0);
}

TEST_CASE("write-back: what goes through stands behind what was journalled before, not after") {
  Full its(std::chrono::minutes(1));
  its.write_through("2");
  its.write_through("3");
  std::atomic<bool> journalled{false};
  its.write("4.", [&](const Written& written, std::uint64_t sequence) {
    CHECK(written.kind == Kind::applied);
    CHECK(sequence > 0);
    journalled = true;
  });
  until_seen([&] { return journalled.load(); });
  its.write_through("5");
  CHECK(its.back->unapplied() == 5);
  its.go = true;
  until_seen([&] { return its.back->unapplied() == 0; });
  CHECK(its.names() == std::vector<std::string>{"1", "2", "3", "4", "5"});
  until_seen([&] { return its.applied == 3; });
  CHECK(its.back->totals(0).through == 3);
}

TEST_CASE("write-back: of what goes through only the one that is refused is told so") {
  Full its(std::chrono::minutes(1));
  for (const char* name : {"2", "bad", "3"}) {
    its.write_through(name);
  }
  its.go = true;
  until_seen([&] { return its.applied == 2 && its.refused == 1; });
  CHECK(its.names() == std::vector<std::string>{"1", "2", "3"});
  CHECK(its.failed == 0);
  CHECK(its.back->totals(0).dead == 0);
}

}  // namespace tiercache::proxy
