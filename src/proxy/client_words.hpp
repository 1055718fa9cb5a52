// The words of CLIENT's subcommands that speak of other clients, read as Redis 7.0 reads them, with
// its errors. Pure.
//
// REQUIRES everywhere: args begin with the command and the subcommand, and their number fits the
// command table's arity.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/command/command.hpp"
#include "tiercache/proxy/client_facts.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::proxy {

// An Error's detail is what Redis answers, without "-".

// "replica" and "master" are types of which a proxy has no clients.
struct TypeFilter {
  std::optional<ClientType> type;  // nothing: a type that matches none
  bool matches(const ClientFacts& client) const noexcept {
    return type == client.type();
  }
};

// CLIENT LIST [TYPE type | ID id ...]
struct ListAsk {
  std::optional<TypeFilter> type;
  std::optional<std::vector<std::uint64_t>> ids;  // in this order, and as often
};
Result<ListAsk> parse_client_list(command::Args args);

// CLIENT KILL addr | option value ...
struct KillAsk {
  bool old_form = false;  // answers OK or an error instead of a number
  std::optional<std::string> peer;
  std::optional<std::string> local;
  std::optional<std::string> user;
  std::optional<TypeFilter> type;
  std::uint64_t id = 0;  // 0: any
  bool spare_me = true;

  bool matches(const ClientFacts& client, std::uint64_t me) const;
};
Result<KillAsk> parse_client_kill(command::Args args);

// CLIENT PAUSE milliseconds [WRITE | ALL]
struct PauseAsk {
  std::int64_t milliseconds = 0;
  PauseMode mode = PauseMode::all;
};
Result<PauseAsk> parse_client_pause(command::Args args);

// CLIENT UNBLOCK id [TIMEOUT | ERROR]
struct UnblockAsk {
  std::uint64_t id = 0;  // 0: none that exists
  bool error = false;
};
Result<UnblockAsk> parse_client_unblock(command::Args args);

// CLIENT TRACKING: where the id behind REDIRECT stands, if it is a number that may be a client's.
struct RedirectAsk {
  std::size_t index = 0;
  std::uint64_t id = 0;
};
std::optional<RedirectAsk> find_redirect(command::Args args);

// Whether CLIENT PAUSE ... WRITE holds it back: what Redis might have to replicate.
bool may_replicate(const command::Command& command, command::Args args);

}  // namespace tiercache::proxy
