// A source that answers when a test wants.
#pragma once

#include "tiercache/l3/source.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tiercache::proxy::testing {

// What it is asked waits for the test: first to be executed, then to be answered.
class FakeSource final : public l3::Source {
 public:
  struct Query {
    l3::Load load;
    std::optional<int> version;  // once executed
  };

  const std::string& name() const noexcept override {
    return name_;
  }
  Taken submit(l3::Load load) override {
    queries.push_back({std::move(load), {}});
    return Taken::yes;
  }
  l3::SourceTotals totals() const override {
    return {};
  }

  std::vector<Query> queries;

 private:
  const std::string name_ = "db";
};

}  // namespace tiercache::proxy::testing
