// The words of HELLO. Pure.
#pragma once

#include "tiercache/command/command.hpp"
#include "tiercache/resp/encoder.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace tiercache::proxy {

struct Hello {
  std::string error;  // empty: fine
  std::optional<resp::Version> version;
  std::optional<std::string_view> name;
  bool auth = false;  // and then
  std::string_view user;
  std::string_view password;
};

// As Redis 7.0 reads it, in its words. REQUIRES: args[0] is the command's name.
Hello parse_hello(command::Args args);

// Printable and without spaces, or empty.
bool valid_client_name(std::string_view name) noexcept;
inline constexpr std::string_view kBadClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

}  // namespace tiercache::proxy
