// Redis's own words for what it does not know or not allow: for commands that end here and must
// look as if Redis had been asked. Pure.
#pragma once

#include "tiercache/command/command.hpp"

#include <string>
#include <string_view>

namespace tiercache::proxy {

// Whether Redis answers that it is a matter of the user or the login: it has looked at no key.
bool refuses_user(std::string_view reply) noexcept;

// The error texts, without "-". REQUIRES: args is not empty, with a subcommand for the second.
std::string unknown_command(command::Args args);
std::string unknown_subcommand(command::Args args);
// `name` as in the command table.
std::string not_while_subscribed(std::string_view name);

}  // namespace tiercache::proxy
