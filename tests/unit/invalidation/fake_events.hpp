// A control connection whose queries wait until a test wants them executed and answered.
#pragma once

#include "tiercache/l2/events.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::invalidation::testing {

class FakeEvents final : public l2::Events {
 public:
  struct Query {
    std::vector<std::string> words;
    Answer answer;
    std::optional<l2::Reply> reply{};  // once executed
  };

  void start() override {
  }
  void stop() override {
  }
  void relocate(const std::string& /*why*/) override {
  }
  void set_intervals(const l2::EventIntervals& /*intervals*/) override {
  }
  void use_db(std::uint32_t /*db*/) override {
  }
  l2::EventsSnapshot snapshot() const override {
    return {};
  }
  void query(std::uint32_t /*db*/, const std::vector<std::string_view>& args,
             Answer answer) override {
    queries.push_back({{args.begin(), args.end()}, std::move(answer)});
  }
  // The oldest.
  void answer(Result<l2::Reply> reply) {
    const Answer answer = std::move(queries.front().answer);
    queries.pop_front();
    answer(std::move(reply));
  }

  std::deque<Query> queries;
};

}  // namespace tiercache::invalidation::testing
