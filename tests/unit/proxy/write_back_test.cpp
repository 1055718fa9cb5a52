// Write-back against a source that is made up: what its thread tries, and how it ends.
#include "write_back.hpp"

#include "back_source.hpp"
#include "write_back_pace.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tiercache::proxy {

namespace {

Written failed() {
  return {Kind::failed, "too slow", {}};
}

// The disk makes nothing durable on the journal's thread.
std::atomic<bool> broken_disk{false};

bool breaks() {
  char name[32] = "";
  ::pthread_getname_np(::pthread_self(), name, sizeof name);
  errno = EIO;
  return broken_disk && std::string_view(name) == "tiercache-jrnl";
}

}  // namespace

// In the place of the C library's.
extern "C" int fdatasync(int fd) {
  return breaks() ? -1 : static_cast<int>(::syscall(SYS_fdatasync, fd));
}
extern "C" int fsync(int fd) {
  return breaks() ? -1 : static_cast<int>(::syscall(SYS_fsync, fd));
}

TEST_CASE("write-back: a write that may be in the journal or not has an unknown outcome") {
  const Directory directory;
  Fake fake;
  const auto back = make(journal_in(directory), fake);
  REQUIRE(bool(back->open({})));
  std::vector<Written> told;
  const auto tell = [&](Written written, std::uint64_t sequence) {
    const std::lock_guard lock(fake.mutex);
    CHECK((sequence > 0) == (written.kind == Kind::applied));
    told.push_back(std::move(written));
    fake.came.notify_all();
  };
  broken_disk = true;
  REQUIRE(back->put(0, record_of({"1"}), tell));
  fake.wait([&] { return told.size() == 1; });
  CHECK(told[0].kind == Kind::unknown);
  CHECK(told[0].why.find("the write may still be applied") != std::string::npos);
  // Nothing of the next one has been written.
  REQUIRE(back->put(0, record_of({"2"}), tell));
  fake.wait([&] { return told.size() == 2; });
  CHECK(told[1].kind == Kind::failed);
  broken_disk = false;
  REQUIRE(back->put(0, record_of({"3"}), tell));
  fake.wait([&] { return told.size() == 3 && fake.applied.size() == 1; });
  CHECK(fake.applied == std::vector<std::string>{"3"});
}

TEST_CASE("pace: halves down to one, which gets more time, and grows again") {
  Pace pace(256);
  CHECK(pace.records() == 256);
  for (std::size_t size = 256; size > 1; size /= 2) {
    CHECK(pace.records() == size);
    CHECK(pace.patience(1000) == 1);
    pace.on_failed(size);
  }
  CHECK(pace.records() == 1);
  pace.on_failed(1);
  pace.on_failed(1);
  CHECK(pace.records() == 1);
  CHECK(pace.patience(1000) == 4);
  CHECK(pace.patience(3) == 3);
  CHECK(pace.patience(0) == 1);
  for (int i = 0; i < 100; i++) {
    pace.on_failed(1);
  }
  CHECK(pace.patience(1000) == 1000);
  pace.on_done(1);
  CHECK(pace.patience(1000) == 1);
  CHECK(pace.records() == 2);
  std::size_t transactions = 0;
  for (; pace.records() < 256; transactions++) {
    pace.on_done(pace.records());
  }
  CHECK(transactions < 50);
  pace.on_refused(3);
  for (int i = 0; i < 3; i++) {
    CHECK(pace.records() == 1);
    pace.on_done(1);
  }
  CHECK(pace.records() == 256);
  CHECK(Pace(0).records() == 1);
}

TEST_CASE("write-back: what does not fit into the timeout together goes in parts") {
  const Directory directory;
  Fake fake;
  bool away = true;
  fake.answer = [&](const Tried& tried) {
    return away || tried.values.size() > 4 ? failed() : Written{Kind::applied, {}, {}};
  };
  const auto back = make(journal_in(directory), fake);
  REQUIRE(bool(back->open({})));
  std::vector<std::string> all;
  for (int i = 0; i < 40; i++) {
    all.push_back(std::to_string(i));
    REQUIRE(back->put(0, record_of({all.back()}), nothing));
  }
  fake.wait([&] { return !fake.tried.empty() && fake.tried.size() > 3; });
  {
    const std::lock_guard lock(fake.mutex);
    away = false;
  }
  fake.wait([&] { return fake.applied.size() == all.size(); });
  CHECK(fake.applied == all);
}

TEST_CASE("write-back: a record of many changes gets the time it needs") {
  const Directory directory;
  Fake fake;
  fake.answer = [](const Tried& tried) {
    return tried.within < milliseconds(20'000) ? failed() : Written{Kind::applied, {}, {}};
  };
  const auto back = make(journal_in(directory), fake);
  REQUIRE(bool(back->open({})));
  REQUIRE(back->put(0, record_of(std::vector<std::string>(100, "x")), nothing));
  fake.wait([&] { return fake.applied.size() == 100; });
  CHECK(fake.tried.front().within <= milliseconds(1000));
}

TEST_CASE("write-back: what an earlier run has left is told once the source says what it has") {
  const Directory directory;
  Fake fake;
  fake.answer = [](const Tried&) {
    return failed();
  };
  {
    const auto back = make(journal_in(directory), fake);
    REQUIRE(bool(back->open({})));
    REQUIRE(back->put(0, record_of({"1"}, "a"), nothing));
    REQUIRE(back->put(0, record_of({"2"}, "b"), nothing));
    REQUIRE(back->put(0, record_of({"3"}, "a"), nothing));
    REQUIRE(back->put(0, record_of({"4"}, "c"), nothing));
  }
  const auto back = make(journal_in(directory), fake);
  WriteBack::Keys found;
  REQUIRE(bool(back->open([&](const WriteBack::Keys& keys) {
    const std::lock_guard lock(fake.mutex);
    found = keys;
  })));
  for (const char* key : {"a", "b", "c"}) {
    REQUIRE(back->pending(key).has_value());
    CHECK_FALSE(back->pending(key)->known);
  }
  // What is written now is newer than what the source has.
  bool written = false;
  REQUIRE(back->put(0, record_of({"5"}, "c"), [&](const Written& its, std::uint64_t sequence) {
    const std::lock_guard lock(fake.mutex);
    written = its.kind == Kind::applied && sequence > 4;
    fake.came.notify_all();
  }));
  fake.wait([&] { return written; });
  CHECK(back->pending("c")->known);
  CHECK(back->pending("c")->value == "5");
  CHECK_FALSE(back->pending("b")->known);
  {
    const std::lock_guard lock(fake.mutex);
    fake.tried.clear();
    fake.reached = 2;
    fake.answer = [](const Tried& tried) {
      return tried.values.empty() ? Written{Kind::applied, {}, {}} : failed();
    };
  }
  fake.wait([&] {
    return std::ranges::any_of(fake.tried, [](const Tried& its) { return !its.values.empty(); });
  });
  CHECK_FALSE(back->pending("b").has_value());
  CHECK(back->pending("a")->known);
  CHECK(back->pending("a")->value == "3");
  CHECK(back->pending("c")->value == "5");
  {
    const std::lock_guard lock(fake.mutex);
    CHECK(found == WriteBack::Keys{{0, {"a", "b", "c"}}});
    fake.answer = nullptr;
  }
  fake.wait([&] { return fake.applied.size() == 3; });
  CHECK(fake.applied == std::vector<std::string>{"3", "4", "5"});
}

TEST_CASE("write-back: the journal keeps what is not settled, also if the source has it") {
  const Directory directory;
  Fake fake;
  config::Journal journal = journal_in(directory);
  journal.max_bytes = 2'000'000;
  const auto back = make(journal, fake);
  REQUIRE(bool(back->open({})));
  std::vector<std::uint64_t> sequences;
  const std::size_t many = 30;
  for (std::size_t i = 0; i < many; i++) {
    REQUIRE(back->put(0, record_of({std::string(50'000, 'x')}),
                      [&](const Written&, std::uint64_t sequence) {
                        const std::lock_guard lock(fake.mutex);
                        sequences.push_back(sequence);
                        fake.came.notify_all();
                      }));
    // One by one, so that they are in several segments.
    fake.wait([&] { return sequences.size() == i + 1; });
  }
  fake.wait([&] { return fake.applied.size() == many; });
  for (std::size_t i = many; i-- > 1;) {
    back->settle(sequences[i]);
  }
  CHECK(back->journal_totals().bytes > many * 50'000);
  back->settle(sequences[0]);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (back->journal_totals().bytes > many * 50'000 && std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
  CHECK(back->journal_totals().bytes < many * 50'000);
}

TEST_CASE("write-back: when it goes, whoever is told may write on, and is refused") {
  const Directory directory;
  Fake fake;
  config::Journal journal = journal_in(directory);
  journal.max_bytes = 1;  // all go through
  journal.batch = 1;
  auto back = make(journal, fake);
  REQUIRE(bool(back->open({})));
  WriteBack* const its = back.get();
  // The first is under way until all is being stopped; the second waits behind it.
  fake.answer = [its](const Tried&) {
    while (its->put(0, record_of({"more"}), nothing)) {
      std::this_thread::yield();
    }
    return failed();
  };
  REQUIRE(back->put(0, record_of({"first"}), nothing));
  int told = 0;
  bool taken = false;
  REQUIRE(back->put(0, record_of({"second"}), [&](const Written& written, std::uint64_t) {
    told += written.kind == Kind::failed ? 1 : 0;
    taken = its->put(0, record_of({"third"}), nothing);
  }));
  back.reset();
  CHECK(told == 1);
  CHECK_FALSE(taken);
}

// The first write waits in its transaction until `go`; the others go together then.
struct Together {
  Directory directory;
  Fake fake;
  std::atomic<bool> asked{false};
  std::atomic<bool> go{false};
  std::unique_ptr<WriteBack> back;

  explicit Together(bool coalesces) : back(make(journal_in(directory), fake, coalesces)) {
    REQUIRE(bool(back->open({})));
    fake.answer = [this](const Tried& tried) {
      asked = true;
      while (!go) {
        std::this_thread::yield();
      }
      return std::ranges::count(tried.values, "bad") > 0 ? Written{Kind::refused, "bad", {}}
                                                         : Written{Kind::applied, {}, {}};
    };
    REQUIRE(back->put(0, record_of({"first"}, "first"), nothing));
    until_seen([this] { return asked.load(); });  // it has gone alone
  }
  void write(const std::string& key, const std::vector<std::string>& values) const {
    REQUIRE(back->put(0, record_of(values, key), nothing));
  }
  // What was applied behind the first.
  std::vector<std::string> run(std::size_t writes) {
    until_seen([&] { return back->totals(0).pending == writes + 1; });
    go = true;
    until_seen([&] { return back->totals(0).pending == 0; });
    const std::lock_guard lock(fake.mutex);
    return {fake.applied.begin() + 1, fake.applied.end()};
  }
};

TEST_CASE("write-back: of a key's writes that go together the last is sent, if they coalesce") {
  for (const bool coalesces : {false, true}) {
    CAPTURE(coalesces);
    Together its(coalesces);
    its.write("a", {"1"});
    its.write("b", {"2"});
    its.write("a", {"3"});
    its.write("c", {"4", "5"});
    its.write("b", {"6"});
    its.write("d", {"7"});
    its.write("b", {"8"});
    const auto applied = its.run(7);
    const WriteBackTotals totals = its.back->totals(0);
    CHECK(totals.flushed == 8);
    if (coalesces) {
      CHECK(applied == std::vector<std::string>{"3", "5", "7", "8"});
      CHECK(totals.coalesced == 4);
    } else {
      CHECK(applied == std::vector<std::string>{"1", "2", "3", "4", "5", "6", "7", "8"});
      CHECK(totals.coalesced == 0);
    }
  }
}

TEST_CASE("write-back: of coalesced writes only the one that is refused is a dead letter") {
  Together its(true);
  its.write("a", {"1"});
  its.write("b", {"2"});
  its.write("a", {"3"});
  its.write("a", {"bad"});
  CHECK(its.run(4) == std::vector<std::string>{"1", "2", "3"});
  CHECK(its.back->totals(0).dead == 1);
  CHECK(its.back->totals(0).coalesced == 0);
}

TEST_CASE("write-back: a write that a later one stands for cannot be refused") {
  Together its(true);
  its.write("a", {"bad"});
  its.write("a", {"1"});
  CHECK(its.run(2) == std::vector<std::string>{"1"});
  CHECK(its.back->totals(0).dead == 0);
}

}  // namespace tiercache::proxy
