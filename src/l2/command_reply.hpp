// Reads the reply to COMMAND. By hand: it nests deeper than hiredis follows. Pure.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/command/table.hpp"

#include <string_view>
#include <vector>

namespace tiercache::l2 {

// `frame`: one whole reply, RESP2. Subcommands follow their container. What the reply has beyond
// what we know is stepped over.
Result<std::vector<command::LearntCommand>> read_command_reply(std::string_view frame);

}  // namespace tiercache::l2
