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

namespace tiercache::l2::testing {

class FakeEvents final : public Events {
 public:
  struct Query {
    std::vector<std::string> words;
    Answer answer;
    std::optional<Reply> reply{};  // once executed
    std::uint32_t db = 0;
  };

  void start() override {
  }
  void stop() override {
  }
  void relocate(const std::string& /*why*/) override {
  }
  void set_intervals(const EventIntervals& /*intervals*/) override {
  }
  void use_db(std::uint32_t /*db*/) override {
  }
  EventsSnapshot snapshot() const override {
    return {};
  }
  void query(std::uint32_t db, const std::vector<std::string_view>& args, Answer answer) override {
    queries.push_back({{args.begin(), args.end()}, std::move(answer), {}, db});
  }
  // The oldest.
  void answer(Result<Reply> reply) {
    const Answer answer = std::move(queries.front().answer);
    queries.pop_front();
    answer(std::move(reply));
  }

  std::deque<Query> queries;
};

}  // namespace tiercache::l2::testing
