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

}  // namespace

bool refuses_user(std::string_view reply) noexcept {
  return reply.starts_with("-NOPERM ") || reply.starts_with("-NOAUTH ");
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
