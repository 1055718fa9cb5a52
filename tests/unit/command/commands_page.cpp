#include "commands_page.hpp"

#include "tiercache/command/table.hpp"

#include <algorithm>
#include <vector>

namespace tiercache::command::testing {

namespace {

std::string shown_name(const Command& command) {
  std::string name(command.name);
  for (char& c : name) {
    c = c == '|' ? ' ' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

std::string_view who(const Command& command) {
  if (command.syntax == Syntax::ping) {
    return "proxy; Redis if it has an argument";
  }
  switch (command.route) {
    case Route::local:
      return "proxy";
    case Route::augmented:
      return "Redis, the proxy adds";
    case Route::shared:
    case Route::scripts:
    case Route::blocking:
    case Route::stateful:
      break;
  }
  const bool cached = command.kind == Kind::cacheable_read || command.kind == Kind::multi_read ||
                      command.kind == Kind::ttl_read;
  return cached ? "L1, else Redis" : "Redis";
}

std::string_view effect(const Command& command) {
  switch (command.syntax) {
    case Syntax::exists:
      return "keeps the reply; of several keys if all hit";
    case Syntax::getex:
    case Syntax::bitfield:
    case Syntax::sort:
    case Syntax::georadius:
    case Syntax::georadius_member:
      return "drops the keys if it writes";
    case Syntax::debug:
      return "emptied, unless it is known to be harmless";
    case Syntax::plain:
    case Syntax::pairs:
    case Syntax::copy:
    case Syntax::move:
    case Syntax::migrate:
    case Syntax::streams:
    case Syntax::ping:
      break;
  }
  switch (command.kind) {
    case Kind::none:
      return "";
    case Kind::cacheable_read:
      return "keeps the reply";
    case Kind::multi_read:
      return "keeps each key's part; answers if all hit";
    case Kind::ttl_read:
      return "answers from the entry's deadline";
    case Kind::read:
      return "passes";
    case Kind::write:
      return "drops the keys";
    case Kind::unknown_write:
      return "drops whatever it changed, before the reply is passed on";
    case Kind::flush:
      return "emptied";
  }
  return "";
}

std::string_view connection(const Command& command) {
  if (command.syntax == Syntax::streams) {
    return "own with BLOCK, until answered";
  }
  if (command.syntax == Syntax::debug) {
    return "own for SLEEP, until answered";
  }
  switch (command.route) {
    case Route::stateful:
      return "own, while it has state";
    case Route::blocking:
      return "own, until answered";
    case Route::shared:
    case Route::augmented:
      return "shared";
    case Route::scripts:
      return "shared, of scripts";
    case Route::local:
      break;
  }
  return command.syntax == Syntax::ping ? "shared" : "";
}

std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out.append(c == '|' ? "\\|" : std::string(1, c));
  }
  return out;
}

}  // namespace

std::string commands_page() {
  std::vector<const Command*> commands;
  for (const Command& command : Table::builtin()->commands()) {
    // Without a subcommand, or with one that Redis does not know, a container is an error.
    if (!command.container || command.name == "command") {
      commands.push_back(&command);
    }
  }
  std::ranges::sort(commands, {}, [](const Command* command) { return command->name; });
  std::string page =
      "| command | who answers | L1 | connection to Redis | note |\n|---|---|---|---|---|\n";
  for (const Command* command : commands) {
    page.append("| ").append(shown_name(*command));
    std::string l1(effect(*command));
    if (!command->not_kept.empty()) {
      l1.append("; not kept: ").append(command->not_kept);
    }
    for (const std::string_view text :
         {who(*command), std::string_view(l1), connection(*command), command->why}) {
      page.append(" | ").append(cell(text));
    }
    page.append(" |\n");
  }
  return page;
}

}  // namespace tiercache::command::testing
