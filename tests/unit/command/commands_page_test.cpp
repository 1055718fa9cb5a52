#include "commands_page.hpp"

#include "page_file.hpp"

#include "tiercache/command/table.hpp"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

using namespace tiercache::command;
using namespace tiercache::command::testing;

TEST_CASE("docs/commands.md shows what the table says") {
  // If this fails, write it anew: print_commands docs/commands.md
  const auto page = read_page(std::string(TIERCACHE_DOCS_DIR) + "/commands.md");
  REQUIRE(page);
  CHECK(page->table == commands_page());
}

TEST_CASE("the page has a line for every command, and says who answers it") {
  const std::string page = commands_page();
  const auto commands = Table::builtin()->commands();
  const auto containers =
      std::ranges::count_if(commands, [](const Command& c) { return c.container; });
  // Two lines of header; COMMAND is a container that means something alone.
  CHECK(std::ranges::count(page, '\n') ==
        static_cast<std::ptrdiff_t>(commands.size()) - containers + 3);
  CHECK(page.find("\n| CLIENT KILL | proxy |") != page.npos);
  CHECK(page.find("\n| INFO | Redis, the proxy adds |") != page.npos);
  CHECK(page.find("\n| GET | L1, else Redis | keeps the reply | shared |") != page.npos);
  CHECK(page.find("\n| HGETALL | L1, else Redis | keeps the reply |") != page.npos);
  CHECK(page.find("\n| HRANDFIELD | Redis | passes; not kept: chosen at random |") != page.npos);
  CHECK(page.find("\n| MULTI | Redis |  | own, while it has state |") != page.npos);
  CHECK(page.find("\n| FLUSHALL | Redis | emptied | shared | no keyspace event |") != page.npos);
}
