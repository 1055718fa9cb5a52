// What ACL GETUSER says of a user, as far as the proxy goes by it: whether the user may do
// everything, so that nobody need ask for each key, and whether Redis would let it ask for the TTL
// of a key. Redis alone decides what is allowed; a rule that is not understood is one that forbids.
//
// Pure; constant once made.
#pragma once

#include "tiercache/l2/reply.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tiercache::l2 {

struct UserRules {
  bool exists = false;
  bool everything = false;  // every command on every key
  bool open = false;        // whoever connects is this user without a password (of "default")
  bool pttl = false;        // may run PTTL, on keys that match:
  std::vector<std::string> readable;

  bool may_pttl(std::string_view key) const noexcept;
};

// REQUIRES: `reply` is no error. Redis 6 and 7 are understood.
UserRules read_user_rules(const Reply& reply);

// Whether a list of rules as Redis writes it ("-@all +@read -get") allows the command; `categories`
// are those that it belongs to, without "@".
bool rules_allow(std::string_view rules, std::string_view command,
                 const std::vector<std::string_view>& categories);

}  // namespace tiercache::l2
