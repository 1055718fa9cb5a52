#include "client_words.hpp"

#include "tiercache/base/words.hpp"

#include <algorithm>
#include <limits>

namespace tiercache::proxy {

namespace {

using command::Args;

constexpr std::string_view kSyntax = "ERR syntax error";

Error error(std::string text) {
  return Error{ErrorCode::invalid, std::move(text)};
}

Error syntax_error() {
  return error(std::string(kSyntax));
}

std::string quoted(std::string_view before, std::string_view word) {
  return std::string("ERR ").append(before).append(" '").append(word).append("'");
}

Error wrong_subcommand(std::string_view name) {
  return error(std::string("ERR unknown subcommand or wrong number of arguments for '")
                   .append(name)
                   .append("'. Try CLIENT HELP."));
}

std::optional<TypeFilter> parse_type(std::string_view word) {
  if (is_word(word, "normal")) {
    return TypeFilter{ClientType::normal};
  }
  if (is_word(word, "pubsub")) {
    return TypeFilter{ClientType::pubsub};
  }
  if (is_word(word, "replica") || is_word(word, "slave") || is_word(word, "master")) {
    return TypeFilter{};
  }
  return std::nullopt;
}

Error unknown_type(std::string_view word) {
  return error(quoted("Unknown client type", word));
}

// One option and its value; nothing if all is well.
std::optional<Error> parse_kill_option(KillAsk& ask, std::string_view option,
                                       std::string_view value) {
  if (is_word(option, "id")) {
    const auto id = parse_integer(value);
    if (!id || *id < 1) {
      return error("ERR client-id should be greater than 0");
    }
    ask.id = static_cast<std::uint64_t>(*id);
  } else if (is_word(option, "type")) {
    ask.type = parse_type(value);
    if (!ask.type) {
      return unknown_type(value);
    }
  } else if (is_word(option, "addr")) {
    ask.peer = value;
  } else if (is_word(option, "laddr")) {
    ask.local = value;
  } else if (is_word(option, "user")) {
    ask.user = value;  // whether there is such a user, only Redis knows
  } else if (is_word(option, "skipme") && is_word(value, "yes")) {
    ask.spare_me = true;
  } else if (is_word(option, "skipme") && is_word(value, "no")) {
    ask.spare_me = false;
  } else {
    return syntax_error();
  }
  return std::nullopt;
}

}  // namespace

Result<ListAsk> parse_client_list(Args args) {
  ListAsk ask;
  if (args.size() == 4 && is_word(args[2], "type")) {
    ask.type = parse_type(args[3]);
    if (!ask.type) {
      return unknown_type(args[3]);
    }
  } else if (args.size() > 3 && is_word(args[2], "id")) {
    ask.ids.emplace();
    for (const std::string_view word : args.subspan(3)) {
      const auto id = parse_integer(word);
      if (!id) {
        return error("ERR Invalid client ID");
      }
      ask.ids->push_back(static_cast<std::uint64_t>(std::max<std::int64_t>(*id, 0)));
    }
  } else if (args.size() != 2) {
    return syntax_error();
  }
  return ask;
}

bool KillAsk::matches(const ClientFacts& client, std::uint64_t me) const {
  return (!peer || *peer == client.peer) && (!local || *local == client.local) &&
         (!user || *user == client.user) && (!type || type->matches(client)) &&
         (id == 0 || id == client.id) && !(spare_me && client.id == me);
}

Result<KillAsk> parse_client_kill(Args args) {
  KillAsk ask;
  if (args.size() == 3) {
    ask.old_form = true;
    ask.peer = args[2];
    ask.spare_me = false;
    return ask;
  }
  for (std::size_t i = 2; i < args.size(); i += 2) {
    if (i + 1 == args.size()) {
      return syntax_error();
    }
    if (auto failure = parse_kill_option(ask, args[i], args[i + 1])) {
      return *std::move(failure);
    }
  }
  return ask;
}

Result<PauseAsk> parse_client_pause(Args args) {
  if (args.size() > 4) {
    return wrong_subcommand(args[1]);
  }
  PauseAsk ask;
  if (args.size() == 4) {
    if (is_word(args[3], "write")) {
      ask.mode = PauseMode::write;
    } else if (!is_word(args[3], "all")) {
      return error("ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
  }
  const auto milliseconds = parse_integer(args[2]);
  if (!milliseconds) {
    return error("ERR timeout is not an integer or out of range");
  }
  if (*milliseconds < 0) {
    return error("ERR timeout is negative");
  }
  ask.milliseconds = *milliseconds;
  return ask;
}

Result<UnblockAsk> parse_client_unblock(Args args) {
  if (args.size() > 4) {
    return wrong_subcommand(args[1]);
  }
  UnblockAsk ask;
  if (args.size() == 4) {
    ask.error = is_word(args[3], "error");
    if (!ask.error && !is_word(args[3], "timeout")) {
      return error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
  }
  const auto id = parse_integer(args[2]);
  if (!id) {
    return error("ERR value is not an integer or out of range");
  }
  ask.id = static_cast<std::uint64_t>(std::max<std::int64_t>(*id, 0));
  return ask;
}

std::optional<RedirectAsk> find_redirect(Args args) {
  for (std::size_t i = 3; i + 1 < args.size(); i++) {
    if (is_word(args[i], "prefix")) {
      i++;
    } else if (is_word(args[i], "redirect")) {
      const auto id = parse_integer(args[i + 1]);
      return id && *id > 0 ? std::optional(RedirectAsk{i + 1, static_cast<std::uint64_t>(*id)})
                           : std::nullopt;
    }
  }
  return std::nullopt;
}

bool may_replicate(const command::Command& command, Args args) {
  if ((command.flags & command::kWrite) != 0) {
    return true;
  }
  const std::string_view name = command.name;
  if (name == "eval") {
    // A script may say in its first line that it does not write.
    const std::string_view script = args.size() > 1 ? args[1] : std::string_view();
    const std::string_view first = script.substr(0, script.find('\n'));
    return !(first.starts_with("#!") && first.find("no-writes") != first.npos);
  }
  return name == "evalsha" || name == "fcall" || name == "publish" || name == "spublish" ||
         name == "pfcount";
}

}  // namespace tiercache::proxy
