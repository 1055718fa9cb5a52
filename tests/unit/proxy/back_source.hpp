// A source that is made up, for write-back: what it is told, and what it answers.
#pragma once

#include "back_fixture.hpp"
#include "write_back.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::proxy {

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
  std::uint64_t reached = 0;
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
    written.reached = fake_.reached;
    fake_.came.notify_all();
    return written;
  }

 private:
  Fake& fake_;
};

inline std::unique_ptr<WriteBack> make(const config::Journal& journal, Fake& fake,
                                       bool coalesces = false,
                                       milliseconds timeout = milliseconds(1000)) {
  std::vector<WriteBack::Source> sources(1);
  sources[0].name = "db";
  sources[0].timeout = timeout;
  sources[0].writer = std::make_unique<FakeWriter>(fake);
  return std::make_unique<WriteBack>(
      journal, std::move(sources),
      [coalesces](const journal::Record& record) -> std::optional<WriteBack::Resolved> {
        WriteBack::Resolved its;
        for (const journal::Change& change : record.changes) {
          its.changes.push_back({0, {change.value.value_or("")}});
          its.coalesces.push_back(coalesces);
        }
        return its;
      });
}

inline journal::Record record_of(const std::vector<std::string>& values,
                                 const std::string& key = "key") {
  journal::Record record;
  for (const std::string& value : values) {
    record.changes.push_back({key, value});
  }
  return record;
}

inline void nothing(const Written& /*written*/, std::uint64_t /*sequence*/) {
}

}  // namespace tiercache::proxy
