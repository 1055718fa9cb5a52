// Write-back against a source that is made up: what its thread tries, and how it ends.
#include "write_back.hpp"

#include "write_back_pace.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <unistd.h>

namespace tiercache::proxy {

namespace {

using l3::Written;
using Kind = Written::Kind;
using std::chrono::milliseconds;

// What a transaction was: its changes, and the time it had.
struct Tried {
  std::vector<std::string> values;
  milliseconds within{0};
};

struct Fake {
  std::mutex mutex;
  std::condition_variable came;
  std::vector<Tried> tried;
  std::vector<std::string> applied;
  // Under the mutex; null: all is applied.
  std::function<Written(const Tried&)> answer;

  void wait(const std::function<bool()>& until) {
    std::unique_lock lock(mutex);
    REQUIRE(came.wait_for(lock, std::chrono::seconds(60), until));
  }
};

class FakeWriter final : public l3::Writer {
 public:
  explicit FakeWriter(Fake& fake) : fake_(fake) {
  }
  Written apply(std::span<const l3::Change* const> changes, const l3::Position& /*position*/,
                Time deadline) override {
    Tried tried;
    tried.within =
        std::chrono::duration_cast<milliseconds>(deadline - Time(std::chrono::steady_clock::now()));
    for (const l3::Change* change : changes) {
      tried.values.push_back(std::get<std::string>(change->values[0]));
    }
    const std::lock_guard lock(fake_.mutex);
    fake_.tried.push_back(tried);
    Written written;
    written.kind = Kind::applied;
    if (fake_.answer) {
      written = fake_.answer(tried);
    }
    if (written.kind == Kind::applied) {
      fake_.applied.insert(fake_.applied.end(), tried.values.begin(), tried.values.end());
    }
    fake_.came.notify_all();
    return written;
  }

 private:
  Fake& fake_;
};

class Directory {
 public:
  Directory() {
    char name[] = "/tmp/tiercache-back-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() {
    std::filesystem::remove_all(path_);
  }
  const std::string& path() const {
    return path_;
  }

 private:
  std::string path_;
};

config::Journal journal_in(const Directory& directory) {
  config::Journal journal;
  journal.dir = directory.path();
  journal.retry_min = milliseconds(1);
  journal.retry_max = milliseconds(1);
  return journal;
}

std::unique_ptr<WriteBack> make(const config::Journal& journal, Fake& fake) {
  std::vector<WriteBack::Source> sources(1);
  sources[0].name = "db";
  sources[0].writer = std::make_unique<FakeWriter>(fake);
  return std::make_unique<WriteBack>(
      journal, std::move(sources),
      [](const journal::Record& record) -> std::optional<WriteBack::Resolved> {
        WriteBack::Resolved its;
        for (const journal::Change& change : record.changes) {
          its.changes.push_back({0, {change.value.value_or("")}});
        }
        return its;
      });
}

journal::Record record_of(const std::vector<std::string>& values) {
  journal::Record record;
  for (const std::string& value : values) {
    record.changes.push_back({"key", value});
  }
  return record;
}

void nothing(const Written& /*written*/) {
}

Written failed() {
  return {Kind::failed, "too slow", {}};
}

}  // namespace

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
  std::vector<journal::Record> found;
  REQUIRE(bool(back->open(found)));
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
  std::vector<journal::Record> found;
  REQUIRE(bool(back->open(found)));
  REQUIRE(back->put(0, record_of(std::vector<std::string>(100, "x")), nothing));
  fake.wait([&] { return fake.applied.size() == 100; });
  CHECK(fake.tried.front().within <= milliseconds(1000));
}

TEST_CASE("write-back: when it goes, whoever is told may write on, and is refused") {
  const Directory directory;
  Fake fake;
  config::Journal journal = journal_in(directory);
  journal.max_bytes = 1;  // all go through
  journal.batch = 1;
  auto back = make(journal, fake);
  std::vector<journal::Record> found;
  REQUIRE(bool(back->open(found)));
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
  REQUIRE(back->put(0, record_of({"second"}), [&](const Written& written) {
    told += written.kind == Kind::failed ? 1 : 0;
    taken = its->put(0, record_of({"third"}), nothing);
  }));
  back.reset();
  CHECK(told == 1);
  CHECK_FALSE(taken);
}

}  // namespace tiercache::proxy
