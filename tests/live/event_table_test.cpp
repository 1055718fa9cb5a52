// Every write command, what it changes, and whom Redis tells: a change without an event for its key
// or a flush signal would leave a stale entry in L1, so a new one fails here. The table is printed
// with EVENT_TABLE=1 in the environment.
#include "event_table.hpp"

#include "tiercache/command/table.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <utility>

#include <doctest/doctest.h>

namespace tiercache::testing {
namespace {

std::vector<EventCase> all_cases() {
  std::vector<EventCase> all;
  for (const auto cases : {string_event_cases(), collection_event_cases(), server_event_cases()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

// The server has been asked once for all tests.
const std::vector<std::pair<EventCase, EventRow>>& measured() {
  static const auto kTable = [] {
    EventBench bench;
    std::vector<std::pair<EventCase, EventRow>> table;
    for (const EventCase& one : all_cases()) {
      try {
        table.emplace_back(one, bench.run(one));
      } catch (const std::exception& error) {
        FAIL((std::string(one.name) + ": " + error.what()));
      }
    }
    return table;
  }();
  return kTable;
}

std::string listed(const auto& names) {
  std::string out;
  for (const std::string& name : names) {
    out.append(out.empty() ? "" : " ").append(name);
  }
  return out;
}

const KnownHole* hole_of(std::string_view name) {
  const auto holes = known_holes();
  const auto found = std::ranges::find(holes, name, &KnownHole::name);
  return found == holes.end() ? nullptr : &*found;
}

// In a table of Markdown, and on one line.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '|') {
      out += "\\|";
    } else {
      out += c;
    }
  }
  return out;
}

std::string verdict_of(const EventRow& row) {
  if (!row.untold.empty()) {
    return row.seen.empty() ? "HOLE, unseen by reads" : "HOLE";
  }
  if (row.changed.empty() && !row.events.empty()) {
    return "event, no change";
  }
  return row.changed.empty() ? "no change" : "told";
}

void print(const EventCase& one, const EventRow& row) {
  const KnownHole* hole = hole_of(one.name);
  std::printf("| %s | `%s` | %s%s | %s | %s%s%s |\n", printable(one.name).c_str(),
              printable(one.commands).c_str(), printable(listed(row.events)).c_str(),
              row.flushed ? " NULL" : "", printable(listed(row.changed)).c_str(),
              verdict_of(row).c_str(), hole != nullptr ? ": " : "",
              hole != nullptr ? std::string(hole->reason).c_str() : "");
}

void check(const EventCase& one, const EventRow& row) {
  CAPTURE(one.name);
  CAPTURE(row.refusal);
  CHECK(row.refused == (one.changes == "error"));
  CHECK(listed(row.changed) == (one.changes == "error" ? "" : one.changes));
  const KnownHole* hole = hole_of(one.name);
  CAPTURE(listed(row.events));
  CAPTURE(listed(row.untold));
  if (hole == nullptr) {
    // A change that nobody is told of.
    CHECK(row.untold.empty());
    return;
  }
  // Not a hole any more: its line in the list must go.
  CHECK_FALSE(row.untold.empty());
  // Should a read show it, "unseen" is no reason.
  CHECK(row.seen.empty() == (hole->why == KnownHole::Why::unseen));
}

}  // namespace

TEST_CASE("every change is told, or is a known hole with a reason") {
  const bool printing = std::getenv("EVENT_TABLE") != nullptr;
  if (printing) {
    std::printf("| case | commands | events | changed | verdict |\n|---|---|---|---|---|\n");
  }
  std::size_t holes = 0;
  for (const auto& [one, row] : measured()) {
    if (printing) {
      print(one, row);
    }
    check(one, row);
    holes += row.untold.empty() ? 0 : 1;
  }
  CHECK(holes == known_holes().size());
  std::printf("%zu cases, %zu changes that nobody is told, each known\n", measured().size(), holes);
}

TEST_CASE("every write command of the table has a case or a reason") {
  Keys covered;
  std::map<std::string_view, int> names;
  for (const auto& entry : measured()) {
    const auto& one = entry.first;
    const auto& row = entry.second;
    CAPTURE(one.name);
    CHECK(++names[one.name] == 1);
    if (one.changes == "error") {
      continue;  // a refused command shows nothing
    }
    for (const auto& words : row.ran) {
      const std::vector<std::string_view> args(words.begin(), words.end());
      if (const command::Command* found = command::find(args)) {
        covered.insert(std::string(found->name));
      }
    }
  }
  for (const command::Command& command : command::Table::builtin()->commands()) {
    if (command.kind != command::Kind::write && command.kind != command::Kind::unknown_write &&
        command.kind != command::Kind::flush) {
      continue;
    }
    const auto reasons = commands_without_case();
    const bool excused =
        std::ranges::find(reasons, command.name, &NoCase::command) != reasons.end();
    CAPTURE(command.name);
    CHECK(covered.contains(std::string(command.name)) != excused);
  }
}

TEST_CASE("the names in the lists are those of cases") {
  const std::vector<EventCase> cases = all_cases();
  for (const KnownHole& hole : known_holes()) {
    CAPTURE(hole.name);
    CHECK(std::ranges::count(cases, hole.name, &EventCase::name) == 1);
  }
}

TEST_CASE("a hole that is not in the list is found") {
  EventBench bench;
  const EventRow row = bench.run({"", "SET a 1", "SWAPDB 0 1", "0:a 1:a"});
  CHECK(row.untold == Keys{"0:a", "1:a"});
  CHECK(row.seen == Keys{"0:a", "1:a"});
  CHECK(bench.run({"", "SET a 1", "SET a 2", ""}).untold.empty());
  CHECK(bench.run({"", "PFADD p a", "PFDEBUG TODENSE p", ""}).untold == Keys{"0:p"});
}

}  // namespace tiercache::testing
