// The table of docs/commands.md, from the command table. Pure.
#pragma once

#include <string>

namespace tiercache::command::testing {

// What stands between the page's two marks, from the first to the last line of it.
std::string commands_page();

}  // namespace tiercache::command::testing
