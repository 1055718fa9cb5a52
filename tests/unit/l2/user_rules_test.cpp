#include "tiercache/l2/user_rules.hpp"

#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache::l2;

namespace {

Reply text(std::string bytes) {
  return {Reply::Kind::text, std::move(bytes), 0, {}};
}
Reply list(const std::vector<std::string>& words) {
  Reply reply{Reply::Kind::array, "", 0, {}};
  for (const std::string& word : words) {
    reply.items.push_back(text(word));
  }
  return reply;
}

// As Redis 7.0 answers ACL GETUSER.
Reply user(const std::vector<std::string>& flags, const std::string& commands,
           const std::string& keys, const std::vector<std::string>& selectors = {}) {
  Reply reply{Reply::Kind::array, "", 0, {}};
  reply.items = {text("flags"),    list(flags),    text("passwords"), list({"abc"}),
                 text("commands"), text(commands), text("keys"),      text(keys),
                 text("channels"), text(""),       text("selectors"), list(selectors)};
  return reply;
}

}  // namespace

TEST_CASE("a user who may do everything is one whose rules say exactly that") {
  CHECK(read_user_rules(user({"on"}, "+@all", "~*")).everything);
  CHECK(read_user_rules(user({"on"}, "+@all", "~a* ~*")).everything);
  for (const auto& rules :
       std::vector<std::pair<const char*, const char*>>{{"+@all -debug", "~*"},
                                                        {"+@all", "~a*"},
                                                        {"+@all", ""},
                                                        {"+@all", "%R~*"},
                                                        {"+@all", "%W~*"},
                                                        {"-@all", "~*"},
                                                        {"-@all +@read", "~*"}}) {
    CAPTURE(rules.first);
    CAPTURE(rules.second);
    CHECK_FALSE(read_user_rules(user({"on"}, rules.first, rules.second)).everything);
  }
}

TEST_CASE("Redis 6 lists its patterns without the tilde") {
  Reply reply = user({"on", "nopass"}, "+@all", "");
  reply.items[7] = list({"*"});
  CHECK(read_user_rules(reply).everything);
  reply.items[7] = list({"a*", "b"});
  const UserRules rules = read_user_rules(reply);
  CHECK_FALSE(rules.everything);
  CHECK(rules.may_pttl("ab"));
  CHECK(rules.may_pttl("b"));
  CHECK_FALSE(rules.may_pttl("c"));
}

TEST_CASE("nil is a user that does not exist") {
  const UserRules rules = read_user_rules({});
  CHECK_FALSE(rules.exists);
  CHECK_FALSE(rules.everything);
  CHECK(read_user_rules(user({"off"}, "-@all", "")).exists);
}

TEST_CASE("open is who is let in without a password, and is not switched off") {
  CHECK(read_user_rules(user({"on", "nopass"}, "+@all", "~*")).open);
  CHECK_FALSE(read_user_rules(user({"on"}, "+@all", "~*")).open);
  CHECK_FALSE(read_user_rules(user({"off", "nopass"}, "+@all", "~*")).open);
}

TEST_CASE("the last rule that concerns a command counts") {
  const std::vector<std::string_view> categories{"keyspace", "read", "fast"};
  for (const char* yes : {"+@all", "-@all +@read", "-@all +pttl", "-@all +@write +@fast",
                          "+@all -get", "+@all -@read +pttl", "-@all +pttl -@dangerous"}) {
    CAPTURE(yes);
    CHECK(rules_allow(yes, "pttl", categories));
  }
  for (const char* no : {"", "-@all", "-@all +get", "+@all -pttl", "+pttl -@all",
                         "-@all +@read -@keyspace", "-@all +pttl|x"}) {
    CAPTURE(no);
    CHECK_FALSE(rules_allow(no, "pttl", categories));
  }
}

TEST_CASE("PTTL is foreseen for keys that may be read, by the root rules alone") {
  const UserRules rules =
      read_user_rules(user({"on"}, "-@all +@read", "~a* %R~b* %W~c* %RW~d[12]"));
  for (const char* yes : {"a", "abc", "b1", "d1", "d2"}) {
    CAPTURE(yes);
    CHECK(rules.may_pttl(yes));
  }
  for (const char* no : {"c1", "d3", "", "x"}) {
    CAPTURE(no);
    CHECK_FALSE(rules.may_pttl(no));
  }
  CHECK_FALSE(read_user_rules(user({"on"}, "-@all +get", "~*")).may_pttl("a"));
  CHECK_FALSE(read_user_rules(user({"on"}, "-@all +@read", "~*", {"x"})).may_pttl("a"));
}
