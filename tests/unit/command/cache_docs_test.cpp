// The words about CACHE agree with the table.
#include "tiercache/command/cache_docs.hpp"

#include "tiercache/command/table.hpp"

#include <algorithm>
#include <cctype>
#include <string>

#include <doctest/doctest.h>

namespace tiercache::command {

TEST_CASE("CACHE and its subcommands are in the table, and each is described") {
  const Table& table = *Table::builtin();
  REQUIRE(table.find_name(cache_doc().name) != nullptr);
  CHECK(table.find_name("cache")->arity == -2);
  const auto docs = cache_subcommand_docs();
  CHECK(std::ranges::is_sorted(docs, {}, &CommandDoc::name));
  std::size_t in_table = 0;
  for (const Command& command : table.commands()) {
    if (command.name.starts_with("cache|")) {
      ++in_table;
      CHECK(std::ranges::count(docs, command.name, &CommandDoc::name) == 1);
      CHECK(command.route == Route::local);
    }
  }
  CHECK(in_table == docs.size());
}

TEST_CASE("syntax, arity and arguments of CACHE agree") {
  for (const CommandDoc& doc : cache_subcommand_docs()) {
    CAPTURE(doc.name);
    const Command* command = Table::builtin()->find_name(doc.name);
    REQUIRE(command != nullptr);
    std::string start(doc.name);
    std::ranges::replace(start, '|', ' ');
    std::ranges::transform(start, start.begin(), [](unsigned char c) { return std::toupper(c); });
    CHECK(doc.syntax.starts_with(start));
    CHECK(doc.summary.ends_with('.'));
    CHECK((doc.syntax.size() > start.size()) == !doc.arguments.empty());
    CHECK((command->arity != 2) == !doc.arguments.empty());
    for (const ArgDoc& arg : doc.arguments) {
      const bool nested = arg.type == ArgDoc::Type::oneof || arg.type == ArgDoc::Type::block;
      CHECK(nested == !arg.arguments.empty());
      CHECK_FALSE(arg_type_name(arg.type).empty());
    }
  }
}

}  // namespace tiercache::command
