#include "hello.hpp"

#include "tiercache/base/words.hpp"

#include <algorithm>

namespace tiercache::proxy {

bool valid_client_name(std::string_view name) noexcept {
  return std::ranges::all_of(name, [](char c) { return c >= '!' && c <= '~'; });
}

Hello parse_hello(command::Args args) {
  Hello hello;
  std::size_t next = 1;
  if (args.size() > 1) {
    const auto version = parse_integer(args[1]);
    if (!version) {
      hello.error = "ERR Protocol version is not an integer or out of range";
      return hello;
    }
    if (*version < 2 || *version > 3) {
      hello.error = "NOPROTO unsupported protocol version";
      return hello;
    }
    hello.version = *version == 2 ? resp::Version::resp2 : resp::Version::resp3;
    next = 2;
  }
  for (; next < args.size(); next++) {
    const std::size_t more = args.size() - 1 - next;
    if (is_word(args[next], "auth") && more >= 2) {
      hello.auth = true;
      hello.user = args[next + 1];
      hello.password = args[next + 2];
      next += 2;
    } else if (is_word(args[next], "setname") && more >= 1) {
      hello.name = args[++next];
      if (!valid_client_name(*hello.name)) {
        hello.error = kBadClientName;
        return hello;
      }
    } else {
      hello.error = "ERR Syntax error in HELLO option '" + std::string(args[next]) + "'";
      return hello;
    }
  }
  return hello;
}

}  // namespace tiercache::proxy
