// The forms in which admin answers. Pure.
#pragma once

#include "facts.hpp"

#include "tiercache/resp/encoder.hpp"

#include <span>
#include <string>
#include <string_view>

namespace tiercache::admin {

std::string error_reply(std::string_view text);
// Redis's words.
std::string unknown_subcommand(std::string_view name);
std::string wrong_arguments(std::string_view command);

// A field and its value.
void append_fact(std::string& out, const Fact& fact);
// A flat list of fields and values; a map in RESP3.
std::string facts_reply(std::span<const Fact> facts, resp::Version version);
// One line of CACHE CLIENTS: that of CLIENT LIST, and what only the proxy knows.
std::string client_line(const proxy::ClientFacts& client, std::size_t worker);

}  // namespace tiercache::admin
