#include "tiercache/proxy/identities.hpp"

#include <algorithm>
#include <chrono>
#include <memory>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy;
using namespace std::chrono_literals;

namespace {

constexpr Time kStart{1h};

l2::UserRules everything(bool open = false) {
  l2::UserRules rules;
  rules.exists = rules.everything = true;
  rules.open = open;
  return rules;
}

l2::LoginPtr login() {
  return std::make_shared<const l2::Login>(l2::Login{"alice", "pw", true});
}

bool in_use(const Identities& identities, std::uint64_t id) {
  const std::vector<IdentityPtr> all = identities.in_use();
  return std::any_of(all.begin(), all.end(), [&](const auto& one) { return one->id() == id; });
}

}  // namespace

TEST_CASE(
    "a user's identity lives as long as somebody is that user, and its number never returns") {
  Identities identities;
  IdentityPtr alice = identities.claim("alice", 10);
  CHECK(identities.claim("alice", 10) == alice);
  CHECK(alice->name() == "alice");
  CHECK_FALSE(alice->anonymous());
  const std::uint64_t id = alice->id();
  CHECK(id != identities.anonymous()->id());
  CHECK(in_use(identities, id));
  CHECK(identities.users() == 1);
  alice.reset();
  CHECK_FALSE(in_use(identities, id));
  CHECK(identities.users() == 0);
  CHECK(identities.claim("alice", 10)->id() != id);
}

TEST_CASE("at the limit there are no further users, and again when one has left") {
  Identities identities;
  IdentityPtr a = identities.claim("a", 2);
  const IdentityPtr b = identities.claim("b", 2);
  CHECK(identities.claim("c", 2) == nullptr);
  CHECK(identities.claim("a", 2) == a);
  a.reset();
  CHECK(identities.claim("c", 2) != nullptr);
  CHECK(identities.claim("d", 0) == nullptr);
}

TEST_CASE("until somebody asks, those without a login are the proxy and trusted") {
  Identities identities;
  CHECK(identities.anonymous()->id() == l2::LinkSpec::kProxy);
  CHECK(identities.anonymous()->may_all(kStart + 24h));
  identities.ask_about_anonymous(Identities::AnonymousAs::proxy);
  CHECK(identities.anonymous()->id() == l2::LinkSpec::kProxy);
  CHECK_FALSE(identities.anonymous()->may_all(kStart));
  identities.ask_about_anonymous(Identities::AnonymousAs::nobody);
  CHECK(identities.anonymous()->id() != l2::LinkSpec::kProxy);
}

TEST_CASE("what Redis said of a user holds until it ends") {
  Identities identities;
  const IdentityPtr alice = identities.claim("alice", 10);
  alice->on_login(login(), kStart);
  CHECK_FALSE(alice->may_all(kStart));
  CHECK(alice->on_rules(everything(), kStart, kStart + 1s));
  CHECK(alice->may_all(kStart + 999ms));
  CHECK_FALSE(alice->may_all(kStart + 1s));
  l2::UserRules less = everything();
  less.everything = false;
  CHECK(alice->on_rules(less, kStart, kStart + 2s));
  CHECK_FALSE(alice->may_all(kStart));
  alice->on_rules(everything(), kStart, kStart + 2s);
  alice->on_no_rules();
  CHECK_FALSE(alice->may_all(kStart));
}

TEST_CASE("what Redis said last holds for the proxy's own commands while Redis is away") {
  Identities identities;
  identities.ask_about_anonymous(Identities::AnonymousAs::proxy);
  const IdentityPtr anybody = identities.anonymous();
  CHECK(anybody->said_all());
  anybody->on_rules(everything(true), kStart, kStart + 1s);
  CHECK_FALSE(anybody->may_all(kStart + 1h));
  CHECK(anybody->said_all());
  anybody->on_rules({}, kStart, kStart + 1s);
  CHECK_FALSE(anybody->said_all());
  const IdentityPtr alice = identities.claim("alice", 10);
  CHECK_FALSE(alice->said_all());
  alice->on_rules(everything(), kStart, kStart + 1s);
  CHECK(alice->said_all());
  alice->on_no_rules();
  CHECK_FALSE(alice->said_all());
}

TEST_CASE("a user that Redis does not know is gone, unless it has logged in since it was asked") {
  Identities identities;
  const IdentityPtr alice = identities.claim("alice", 10);
  alice->on_login(login(), kStart);
  CHECK(alice->on_rules({}, kStart - 1ms, kStart + 1s));
  CHECK_FALSE(alice->gone());
  CHECK_FALSE(alice->may_all(kStart));
  CHECK_FALSE(alice->on_rules({}, kStart + 1ms, kStart + 1s));
  CHECK(alice->gone());
  CHECK(identities.claim("alice", 10) != alice);
}

TEST_CASE("who came while no password was asked for stays in; who comes later does not") {
  Identities identities;
  identities.ask_about_anonymous(Identities::AnonymousAs::proxy);
  const IdentityPtr early = identities.anonymous();
  early->on_rules(everything(true), kStart, kStart + 1s);
  CHECK(early->may_all(kStart));
  CHECK(early->born_open());
  early->on_rules(everything(false), kStart, kStart + 1s);
  CHECK(early->may_all(kStart));

  identities.renew_anonymous();
  const IdentityPtr late = identities.anonymous();
  CHECK(late != early);
  CHECK(late->id() != early->id());
  CHECK(in_use(identities, early->id()));
  late->on_rules(everything(false), kStart, kStart + 1s);
  CHECK_FALSE(late->may_all(kStart));
  CHECK_FALSE(late->born_open());
  late->on_rules(everything(true), kStart, kStart + 1s);
  CHECK(late->may_all(kStart));
}

TEST_CASE("without rules PTTL is tried until Redis refuses it") {
  Identities identities;
  const IdentityPtr alice = identities.claim("alice", 10);
  CHECK(alice->may_pttl("k"));
  alice->on_pttl_refused();
  CHECK_FALSE(alice->may_pttl("k"));
  l2::UserRules rules;
  rules.exists = rules.pttl = true;
  rules.readable = {"a*"};
  alice->on_rules(rules, kStart, kStart + 1s);
  CHECK(alice->may_pttl("a1"));
  CHECK_FALSE(alice->may_pttl("b1"));
}
