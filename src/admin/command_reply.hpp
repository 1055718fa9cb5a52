// CACHE among Redis's commands: what COMMAND and its subcommands answer, CACHE added in the shape
// of Redis 7's own entries. Pure.
#pragma once

#include "tiercache/command/command.hpp"
#include "tiercache/resp/encoder.hpp"

#include <string>

namespace tiercache::admin {

// `args`: the request, COMMAND .... A reply that is not what Redis 7 answers to it comes back as it
// is.
std::string with_cache_command(command::Args args, std::string upstream, resp::Version version);

}  // namespace tiercache::admin
