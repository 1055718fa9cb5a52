#include "replies.hpp"

#include "words.hpp"

#include <type_traits>

namespace tiercache::admin {

std::string error_reply(std::string_view text) {
  std::string out;
  resp::append_error(out, text);
  return out;
}

std::string unknown_subcommand(std::string_view name) {
  return error_reply(
      std::string("ERR unknown subcommand '").append(shown(name)).append("'. Try CACHE HELP."));
}

std::string wrong_arguments(std::string_view command) {
  return error_reply(
      std::string("ERR wrong number of arguments for '").append(command).append("' command"));
}

void append_fact(std::string& out, const Fact& fact) {
  resp::append_bulk(out, fact.name);
  if (const auto* number = std::get_if<std::int64_t>(&fact.value)) {
    resp::append_integer(out, *number);
  } else {
    resp::append_bulk(out, text_of(fact));
  }
}

std::string facts_reply(std::span<const Fact> facts, resp::Version version) {
  std::string out;
  resp::append_map_header(out, facts.size(), version);
  for (const Fact& fact : facts) {
    append_fact(out, fact);
  }
  return out;
}

std::string client_line(const proxy::ClientFacts& client, std::size_t worker) {
  std::string line = proxy::client_line(client);
  const auto add = [&line](std::string_view name, std::size_t value) {
    line.append(" ").append(name).append("=").append(std::to_string(value));
  };
  add("pinned", client.pinned ? 1 : 0);  // has a link of its own to Redis
  add("pending", client.pending);
  add("thread", worker);
  return line.append("\n");
}

}  // namespace tiercache::admin
