#include "refusal.hpp"

#include "tiercache/base/check.hpp"

namespace tiercache::proxy {

namespace {

// Of a name, and of all arguments together; what is cut is cut without a sign.
constexpr std::size_t kShown = 128;

// As C prints it.
std::string_view shown(std::string_view word, std::size_t most) {
  return word.substr(0, word.find('\0')).substr(0, most);
}

// How an inquiry says that it was lost.
constexpr std::string_view kAway = "-ERR tiercache: ";

std::string may_not_run(std::string_view name) {
  return std::string("NOPERM this user has no permissions to run the '")
      .append(name)
      .append("' command");
}

}  // namespace

bool refuses_user(std::string_view reply) noexcept {
  return reply.starts_with("-NOPERM ") || reply.starts_with("-NOAUTH ");
}

std::string trial_refusal(std::string_view reply, std::string_view name) {
  if (reply.starts_with("-NOAUTH ") || reply.starts_with(kAway)) {
    return std::string(reply.substr(1, reply.find("\r\n") - 1));
  }
  return refuses_user(reply) ? may_not_run(name) : std::string();
}

std::string dry_run_refusal(std::string_view reply, std::string_view name,
                            std::string_view unsaid) {
  if (reply == "+OK\r\n") {
    return {};
  }
  if (reply.starts_with("-NOAUTH ") || reply.starts_with(kAway)) {
    return std::string(reply.substr(1, reply.find("\r\n") - 1));
  }
  if (!reply.starts_with('$')) {
    return unsaid.empty() ? may_not_run(name) : std::string(unsaid);
  }
  // Its text is "This user has no permissions to run ...", or "... to access the '<key>' key".
  return reply.find("permissions to access the '") == reply.npos
             ? may_not_run(name)
             : "NOPERM this user has no permissions to access one of the keys used as arguments";
}

std::string unknown_command(command::Args args) {
  std::string quoted;
  for (std::size_t i = 1; i < args.size() && quoted.size() < kShown; i++) {
    const std::string_view word = shown(args[i], kShown - quoted.size());
    quoted.append("'").append(word).append("' ");
  }
  return std::string("ERR unknown command '")
      .append(shown(args[0], kShown))
      .append("', with args beginning with: ")
      .append(quoted);
}

std::string unknown_subcommand(command::Args args) {
  TC_CHECK(args.size() > 1);
  std::string container(args[0]);
  for (char& c : container) {
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return std::string("ERR unknown subcommand '")
      .append(shown(args[1], kShown))
      .append("'. Try ")
      .append(container)
      .append(" HELP.");
}

std::string not_while_subscribed(std::string_view name) {
  return std::string("ERR Can't execute '")
      .append(name)
      .append(
          "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
          "context");
}

}  // namespace tiercache::proxy
