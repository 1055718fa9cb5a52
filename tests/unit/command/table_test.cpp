// Lookup, and what a server teaches.
#include "tiercache/command/table.hpp"

#include "arguments.hpp"

#include <algorithm>
#include <cctype>
#include <set>
#include <string>

#include <doctest/doctest.h>

namespace tiercache::command {
namespace {

std::string found(const Table& table, std::string_view line) {
  const Command* command = table.find(Arguments(line));
  return command == nullptr ? "-" : std::string(command->name);
}

std::string keys_of(const Table& table, std::string_view line) {
  const Arguments arguments(line);
  std::vector<KeyRef> refs;
  if (!keys(*table.find(arguments), arguments, refs)) {
    return "malformed";
  }
  std::string out;
  for (const KeyRef& ref : refs) {
    out += std::string(arguments.views()[ref.index]) + (ref.access == Access::read ? ":r " : ":w ");
  }
  return out;
}

}  // namespace

TEST_CASE("every command is found by its name in any letter case") {
  const Table& table = *Table::builtin();
  std::set<std::string_view> names;
  for (const Command& command : table.commands()) {
    CHECK(names.insert(command.name).second);
    CHECK(table.find_name(command.name) == &command);
    std::string line(command.name);
    std::ranges::replace(line, '|', ' ');
    CHECK(table.find(Arguments(line)) == &command);
    std::string mixed = line;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const int c = static_cast<unsigned char>(line[i]);
      mixed[i] = static_cast<char>(i % 2 == 0 ? std::toupper(c) : c);
      line[i] = static_cast<char>(std::toupper(c));
    }
    CHECK(table.find(Arguments(line)) == &command);
    CHECK(table.find(Arguments(mixed)) == &command);
  }
}

TEST_CASE("what is not a command is not found") {
  const Table& table = *Table::builtin();
  CHECK(table.find({}) == nullptr);
  for (const char* line : {"\"\"", "g", "ge", "gett", "get|x", "client|id", "cache|stats a", "|",
                           "|id", "id", "\x47\x45\xd4", "ge\xf4", "@et", "mge\x14"}) {
    CAPTURE(line);
    CHECK(found(table, line) == "-");
  }
  const std::string huge(1 << 20, 'g');
  const std::string_view args[] = {huge, huge};
  CHECK(table.find(args) == nullptr);
}

TEST_CASE("a container stands for itself where its subcommand is missing or unknown") {
  const Table& table = *Table::builtin();
  CHECK(found(table, "CLIENT") == "client");
  CHECK(found(table, "CLIENT NOSUCH") == "client");
  CHECK(found(table, "CLIENT \"\"") == "client");
  CHECK(found(table, "Client Id") == "client|id");
  CHECK(found(table, "OBJECT encoding k") == "object|encoding");
  CHECK(found(table, "GET id") == "get");
  const std::string_view args[] = {"client", "list|id"};
  CHECK(table.find(args)->name == "client");
}

TEST_CASE("where fields of a hash can expire by themselves, L1 does not keep hash reads") {
  const LearntCommand learnt[] = {{"hexpire", -6, {"write", "denyoom", "fast"}, 1, 1, 1}};
  const auto table = Table::with(learnt);
  for (const Command& command : Table::builtin()->commands()) {
    CAPTURE(command.name);
    const Command& here = *table->find_name(command.name);
    const bool changes = command.kind == Kind::cacheable_read && command.name.starts_with('h');
    CHECK(here.kind == (changes ? Kind::read : command.kind));
    CHECK((here.not_kept.empty() == command.not_kept.empty()) == !changes);
  }
  CHECK(table->find_name("hgetall")->kind == Kind::read);
}

TEST_CASE("learnt commands are never answered by L1") {
  const LearntCommand learnt[] = {
      {"json.get", -2, {"readonly", "module"}, 1, 1, 1},
      {"json.set", -4, {"write", "denyoom", "module"}, 1, 1, 1},
      {"JSON.MSET", -4, {"write"}, 1, -1, 3},
      {"ft.search", -3, {"readonly", "movablekeys"}, 0, 0, 0},
      {"odd.thing", -1, {}, 0, 0, 0},
      {"odd.keyed", -2, {"fast"}, 1, -1, 1},
      {"wait.more", 3, {"write", "blocking"}, 1, 1, 1},
      {"new.subscribe", -2, {"pubsub"}, 0, 0, 0},
  };
  const auto table = Table::with(learnt);
  const auto kind = [&](const char* name) {
    return table->find_name(name)->kind;
  };
  const auto route = [&](const char* name) {
    return table->find_name(name)->route;
  };
  CHECK(kind("json.get") == Kind::read);
  CHECK(kind("json.set") == Kind::unknown_write);
  CHECK(kind("ft.search") == Kind::read);
  CHECK(kind("odd.thing") == Kind::unknown_write);
  CHECK(kind("odd.keyed") == Kind::unknown_write);
  CHECK(route("json.set") == Route::shared);
  CHECK(route("wait.more") == Route::blocking);
  CHECK(route("new.subscribe") == Route::stateful);
  CHECK(keys_of(*table, "JSON.GET a path") == "a:r ");
  CHECK(keys_of(*table, "json.mset a p 1 b p 2") == "a:w b:w ");
  CHECK(keys_of(*table, "odd.keyed a b") == "a:w b:w ");
  CHECK(keys_of(*table, "ft.search i q") == "");
  CHECK(Table::builtin()->find_name("json.get") == nullptr);
}

TEST_CASE("a learnt command with a nonsensical key range declares no keys, and does no harm") {
  const LearntCommand learnt[] = {
      {"a", -1, {"write"}, -1, -1, 1},         {"b", -1, {"write"}, 1, -1, 0},
      {"c", -1, {"write"}, 5, 2, 1},           {"d", -1, {"write"}, 1, 2147483647, 1},
      {"e", -1, {"write"}, 1, -1, -3},         {"f", -1, {"write"}, 2147483647, -1, 2147483647},
      {"g", -1, {"write"}, 1, -2147483647, 1},
  };
  const auto table = Table::with(learnt);
  CHECK(keys_of(*table, "a 1 2 3") == "");
  CHECK(keys_of(*table, "b 1 2 3") == "1:w 2:w 3:w ");
  CHECK(keys_of(*table, "c 1 2 3") == "");
  CHECK(keys_of(*table, "d 1 2 3") == "malformed");
  CHECK(keys_of(*table, "e 1 2 3") == "1:w 2:w 3:w ");
  CHECK(keys_of(*table, "f 1 2 3") == "");
  CHECK(keys_of(*table, "g 1 2 3") == "");
  for (const LearntCommand& entry : learnt) {
    CHECK(table->find_name(entry.name)->kind == Kind::unknown_write);
  }
}

TEST_CASE("a known command keeps its treatment and takes the server's arity and flags") {
  const LearntCommand learnt[] = {
      {"get", -2, {"write"}, 2, 2, 1},      {"move", -1, {"write"}, 0, 0, 0},
      {"cache", 7, {"write"}, 1, 1, 1},     {"cache|stats", 7, {"write"}, 1, 1, 1},
      {"cache|odd", 7, {"write"}, 1, 1, 1},
  };
  const auto table = Table::with(learnt);
  const Command* get = table->find_name("get");
  CHECK(get->kind == Kind::cacheable_read);
  CHECK(get->arity == -2);
  CHECK(get->flags == kWrite);
  CHECK_FALSE(get->learnt);
  CHECK(keys_of(*table, "GET a b") == "a:r ");
  CHECK(keys_of(*table, "MOVE a") == "malformed");
  CHECK(keys_of(*table, "MOVE") == "malformed");
  CHECK(table->find_name("cache")->route == Route::local);
  CHECK(table->find_name("cache|stats")->arity == 2);
  CHECK(table->find_name("cache|odd") == nullptr);
}

TEST_CASE("learnt subcommands") {
  const LearntCommand learnt[] = {
      {"client|new", 3, {}, 0, 0, 0},
      {"object|newer", 3, {"readonly"}, 2, 2, 1},
      {"box", -2, {}, 0, 0, 0},
      {"box|put", 4, {"write"}, 2, 2, 1},
      {"orphan|sub", 2, {}, 0, 0, 0},
      {"bad|name|here", 2, {}, 0, 0, 0},
      {"|", 2, {}, 0, 0, 0},
      {"", 2, {}, 0, 0, 0},
      {std::string(5000, 'x'), 2, {}, 0, 0, 0},
  };
  const auto table = Table::with(learnt);
  CHECK(table->find_name("client|new")->route == Route::stateful);
  CHECK(keys_of(*table, "OBJECT NEWER k") == "k:r ");
  CHECK(found(*table, "BOX") == "box");
  CHECK(found(*table, "BOX put k v") == "box|put");
  CHECK(found(*table, "box other") == "box");
  CHECK(keys_of(*table, "BOX PUT k v") == "k:w ");
  CHECK(found(*table, "orphan sub") == "-");
  CHECK(table->commands().size() == Table::builtin()->commands().size() + 4);
}

TEST_CASE("a server that teaches without end is cut off, and all it taught is found") {
  std::vector<LearntCommand> learnt;
  for (std::size_t i = 0; i < Table::kMaxLearnt + 10; ++i) {
    learnt.push_back({"module.command" + std::to_string(i), -1, {"write"}, 1, 1, 1});
  }
  const auto table = Table::with(learnt);
  CHECK(table->commands().size() == Table::builtin()->commands().size() + Table::kMaxLearnt);
  for (std::size_t i = 0; i < Table::kMaxLearnt; ++i) {
    REQUIRE(table->find_name(learnt[i].name) != nullptr);
  }
  CHECK(table->find_name("get")->kind == Kind::cacheable_read);
  CHECK(table->find_name(learnt.back().name) == nullptr);
}

}  // namespace tiercache::command
