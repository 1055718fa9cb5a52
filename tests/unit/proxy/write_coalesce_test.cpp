// Coalesced writes leave the source as it would be with all of them.
#include "write_coalesce.hpp"

#include "back_fixture.hpp"
#include "write_back.hpp"

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::proxy {

namespace {

using l3::Written;
using Kind = Written::Kind;
using Rows = std::map<std::string, std::string>;

std::vector<bool> needed_of(const std::vector<KeyWrite>& writes) {
  return needed(writes);
}

// A database: keys whose name begins with "log" have all their writes there, others the last one.
// It loses connections before and after the commit, and refuses values that begin with "bad".
struct Model {
  std::mutex mutex;
  std::mt19937 random;
  Rows rows;
  std::uint64_t reached = 0;
  bool healthy = false;

  explicit Model(unsigned seed) : random(seed) {
  }
  static void apply(Rows& rows, const std::string& key, const std::optional<std::string>& value) {
    if (key.starts_with("log")) {
      rows[key] += value.value_or("-") + ",";
    } else if (value) {
      rows[key] = *value;
    } else {
      rows.erase(key);
    }
  }
};

class ModelWriter final : public l3::Writer {
 public:
  explicit ModelWriter(Model& model) : model_(model) {
  }
  Written apply(std::span<const l3::Change* const> changes, const l3::Position& position,
                Time /*deadline*/) override {
    const std::lock_guard lock(model_.mutex);
    const std::uint_fast32_t luck = model_.healthy ? 9 : model_.random() % 10;
    Written written;
    written.reached = model_.reached;
    if (luck == 0) {
      written.why = "lost before the commit";
      return written;
    }
    Rows rows = model_.rows;
    for (std::size_t i = 0; i < changes.size(); i++) {
      if (position.sequences[i] <= model_.reached) {
        continue;
      }
      const auto& values = changes[i]->values;
      std::optional<std::string> value;
      if (values.size() > 1) {
        value = std::get<std::string>(values[1]);
      }
      if (value && value->starts_with("bad")) {
        written.kind = Kind::refused;
        written.why = "bad";
        return written;
      }
      Model::apply(rows, std::get<std::string>(values[0]), value);
    }
    model_.rows = std::move(rows);
    if (!position.sequences.empty()) {
      model_.reached = std::max(model_.reached, position.sequences.back());
    }
    written.kind = luck == 1 ? Kind::unknown : Kind::applied;
    return written;
  }

 private:
  Model& model_;
};

std::unique_ptr<WriteBack> open(const config::Journal& journal, Model& model) {
  std::vector<WriteBack::Source> sources(1);
  sources[0].name = "db";
  sources[0].writer = std::make_unique<ModelWriter>(model);
  auto back = std::make_unique<WriteBack>(
      journal, std::move(sources),
      [](const journal::Record& record) -> std::optional<WriteBack::Resolved> {
        WriteBack::Resolved its;
        for (const journal::Change& change : record.changes) {
          its.changes.push_back({0, {change.key}});
          if (change.value) {
            its.changes.back().values.emplace_back(*change.value);
          }
          its.coalesces.push_back(!change.key.starts_with("log"));
        }
        return its;
      });
  REQUIRE(bool(back->open({})));
  return back;
}

}  // namespace

TEST_CASE("coalesce: the last of a key's writes is needed, and all where they do not coalesce") {
  using Need = std::vector<bool>;
  CHECK(needed_of({}).empty());
  CHECK(needed_of({{"a", true}}) == Need{true});
  CHECK(needed_of({{"a", true}, {"a", true}, {"a", true}}) == Need{false, false, true});
  CHECK(needed_of({{"a", true}, {"b", true}, {"a", true}}) == Need{false, true, true});
  CHECK(needed_of({{"a", false}, {"b", true}, {"a", false}, {"b", true}}) ==
        Need{true, false, true, true});
}

// TIERCACHE_SCHEDULES says how many.
TEST_CASE("coalesce: whatever is lost on the way the source ends as if it had all writes") {
  const char* const many = std::getenv("TIERCACHE_SCHEDULES");
  const unsigned schedules = many != nullptr ? static_cast<unsigned>(std::atoi(many)) : 100;
  std::uint64_t coalesced = 0;
  for (unsigned seed = 0; seed < schedules; seed++) {
    CAPTURE(seed);
    const Directory directory;
    config::Journal journal = journal_in(directory);
    std::mt19937 random(seed);
    journal.batch = static_cast<std::uint32_t>(1 + random() % 20);
    Model model(seed);
    Rows expected;
    auto back = open(journal, model);
    const auto records = 1 + random() % 60;
    for (std::size_t i = 0; i < records; i++) {
      journal::Record record;
      bool bad = false;
      for (auto changes = 1 + random() % 3; changes > 0; changes--) {
        const std::string key = (random() % 3 == 0 ? "log" : "doc") + std::to_string(random() % 3);
        std::optional<std::string> value;
        if (random() % 4 != 0) {
          value = std::to_string(i) + "." + std::to_string(changes);
        }
        record.changes.push_back({key, std::move(value)});
      }
      if (random() % 30 == 0) {
        // By a key of its own: whether it is sent does not depend on what goes with it.
        record.changes.push_back({"log9", "bad"});
        bad = true;
      }
      for (const journal::Change& change : record.changes) {
        if (!bad) {
          Model::apply(expected, change.key, change.value);
        }
      }
      REQUIRE(back->put(0, std::move(record), [](const Written&, std::uint64_t) {}));
      if (random() % 40 == 0) {
        // What is journalled and not applied is found by the next run.
        coalesced += back->totals(0).coalesced;
        back.reset();
        back = open(journal, model);
      }
    }
    {
      const std::lock_guard lock(model.mutex);
      model.healthy = random() % 2 == 0;
    }
    // What is still being journalled has no place in the queue yet.
    coalesced += back->totals(0).coalesced;
    back.reset();
    back = open(journal, model);
    until_seen([&] { return back->replayed() && back->unapplied() == 0; });
    coalesced += back->totals(0).coalesced;
    const std::lock_guard lock(model.mutex);
    CHECK(model.rows == expected);
  }
  CHECK(coalesced > schedules);
}

}  // namespace tiercache::proxy
