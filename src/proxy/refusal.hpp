// Redis's own words for what it does not know or not allow: for commands that end here and must
// look as if Redis had been asked. Pure.
#pragma once

#include "tiercache/command/command.hpp"

#include <string>
#include <string_view>

namespace tiercache::proxy {

// Whether Redis answers that it is a matter of the user or the login: it has looked at no key.
bool refuses_user(std::string_view reply) noexcept;

// What the reply to a request that a user is allowed if they are allowed the command of that name
// comes to: empty if they are, else the error text.
std::string trial_refusal(std::string_view reply, std::string_view name);
// Likewise the reply to ACL DRYRUN for that command. If Redis does not tell: `unsaid`, or, if that
// is empty, as if it had refused.
std::string dry_run_refusal(std::string_view reply, std::string_view name, std::string_view unsaid);

// The error texts, without "-". REQUIRES: args is not empty, with a subcommand for the second.
std::string unknown_command(command::Args args);
std::string unknown_subcommand(command::Args args);
// `name` as in the command table.
std::string not_while_subscribed(std::string_view name);

}  // namespace tiercache::proxy
