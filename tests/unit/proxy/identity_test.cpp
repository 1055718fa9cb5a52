// Sessions of several users: on whose link a request goes, and whom L1 may answer.
#include "fake_upstream.hpp"

#include <algorithm>
#include <chrono>
#include <string>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy;
using namespace tiercache::proxy::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* kNoKey = "-NOPERM this user has no permissions to access a key\r\n";

FakeLinks& links(Rig& rig) {
  return rig.threads[0]->links;
}

// What is asked on the link of a login that is under way or was the last.
FakeLink& login_link(Rig& rig) {
  return *links(rig).candidates.back();
}

void log_in(Rig& rig, TestClient& client, const std::string& user) {
  client.send("AUTH " + user + " pw");
  login_link(rig).reply("+PONG\r\n");
  rig.run();
  CHECK(client.read() == "+OK\r\n");
}

IdentityPtr identity(Rig& rig, const std::string& user) {
  return rig.hub.identities.claim(user, 100);
}

FakeLink& link_of(Rig& rig, const std::string& user) {
  return links(rig).at({0, resp::Version::resp2, identity(rig, user)->id()});
}

std::string pending(FakeLink& link) {
  std::string all;
  for (const FakeLink::Request& request : link.pending) {
    all += (all.empty() ? "" : ", ") + request.words;
  }
  return all;
}

void answer(Rig& rig, FakeLink& link, const std::string& bytes) {
  link.reply(bytes);
  rig.run();
}

// The read and the PTTL before it.
void fill(Rig& rig, FakeLink& link, const std::string& bytes) {
  CHECK(link.pending.size() == 2);
  link.reply(":-1\r\n");
  answer(rig, link, bytes);
}

void allow_everything(const IdentityPtr& who) {
  l2::UserRules rules;
  rules.exists = rules.everything = true;
  who->on_rules(rules, Rig::now(), Rig::now() + 1h);
}

void acl_ttl_1h(config::Config& config) {
  config.coherence.acl_ttl = std::chrono::hours(1);
}

}  // namespace

TEST_CASE("AUTH is verified by Redis on a link of that user, which the session then uses") {
  Rig rig;
  TestClient client(rig);
  client.send("AUTH alice pw");
  CHECK(client.read().empty());
  FakeLink& link = login_link(rig);
  CHECK(link.spec.login->user == "alice");
  CHECK(link.spec.login->password == "pw");
  CHECK(link.spec.login->named);
  CHECK(pending(link) == "PING");
  // A user who may not run PING is one all the same.
  link.reply("-NOPERM this user has no permissions to run the 'ping' command\r\n");
  rig.run();
  CHECK(client.read() == "+OK\r\n");
  client.send("SET k v");
  CHECK(pending(link) == "SET k v");
  CHECK(&link_of(rig, "alice") == &link);
  CHECK(link.spec.user == identity(rig, "alice")->id());
}

TEST_CASE("a refused login is told in Redis's words and changes nothing") {
  Rig rig;
  TestClient client(rig);
  client.send("AUTH wrong");
  CHECK_FALSE(login_link(rig).spec.login->named);
  CHECK(login_link(rig).spec.login->user == "default");
  login_link(rig).die("-ERR AUTH <password> called without any password");
  rig.run();
  CHECK(client.read() == "-ERR AUTH <password> called without any password\r\n");
  client.send("HELLO 3 AUTH alice wrong SETNAME x");
  login_link(rig).die("-WRONGPASS invalid username-password pair or user is disabled.");
  rig.run();
  CHECK(client.read() == "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  client.send("SET k v\r\nCLIENT GETNAME");
  CHECK(rig.pending() == "SET k v");
  rig.reply("+OK\r\n");
  CHECK(client.read() == "+OK\r\n$-1\r\n");
  CHECK(rig.hub.identities.users() == 0);
  client.send("AUTH a b c");
  CHECK(client.read() == "-ERR syntax error\r\n");
}

TEST_CASE("what comes behind AUTH is done as the new user, what came before it as the old one") {
  Rig rig;
  TestClient client(rig);
  client.send("SET a 1\r\nAUTH alice pw\r\nSET b 2");
  CHECK(rig.pending() == "SET a 1");
  CHECK(links(rig).candidates.empty());
  rig.reply("+OK\r\n");
  CHECK(pending(login_link(rig)) == "PING");
  answer(rig, login_link(rig), "+PONG\r\n");
  CHECK(pending(login_link(rig)) == "SET b 2");
  answer(rig, login_link(rig), "+OK\r\n");
  CHECK(client.read() == "+OK\r\n+OK\r\n+OK\r\n");
}

TEST_CASE("HELLO logs in, names and switches in one go") {
  Rig rig;
  TestClient client(rig);
  client.send("HELLO 3 AUTH alice pw SETNAME me");
  CHECK(login_link(rig).spec.version == resp::Version::resp3);
  answer(rig, login_link(rig), "+PONG\r\n");
  CHECK(client.read().starts_with("%7\r\n"));
  client.send("CLIENT GETNAME");
  answer(rig, login_link(rig), "_\r\n");
  CHECK(client.read() == "$2\r\nme\r\n");
}

TEST_CASE("L1 answers a user only what Redis has answered that user") {
  Rig rig(1, acl_ttl_1h);
  TestClient anybody(rig);
  TestClient alice(rig);
  TestClient bob(rig);
  log_in(rig, alice, "alice");
  log_in(rig, bob, "bob");
  anybody.send("GET k");
  rig.fill("$1\r\nv\r\n");
  CHECK(anybody.read() == "$1\r\nv\r\n");

  alice.send("GET k");
  CHECK(pending(link_of(rig, "alice")) == "PTTL k, GET k");
  fill(rig, link_of(rig, "alice"), "$1\r\nv\r\n");
  CHECK(alice.read() == "$1\r\nv\r\n");
  rig.acknowledge();
  alice.send("GET k");
  CHECK(alice.read() == "$1\r\nv\r\n");
  // Another command is another question.
  alice.send("STRLEN k");
  CHECK(pending(link_of(rig, "alice")) == "PTTL k, STRLEN k");
  fill(rig, link_of(rig, "alice"), "-NOPERM this user has no permissions to run it\r\n");
  CHECK(alice.read() == "-NOPERM this user has no permissions to run it\r\n");

  // And another user another one: however often, and without harm to the others.
  for (int i = 0; i < 3; i++) {
    bob.send("GET k");
    fill(rig, link_of(rig, "bob"), kNoKey);
    CHECK(bob.read() == kNoKey);
  }
  alice.send("GET k");
  anybody.send("GET k");
  CHECK(alice.read() == "$1\r\nv\r\n");
  CHECK(anybody.read() == "$1\r\nv\r\n");
}

TEST_CASE("a user who may do everything needs no stamp") {
  Rig rig;
  TestClient anybody(rig);
  TestClient alice(rig);
  log_in(rig, alice, "alice");
  const IdentityPtr who = identity(rig, "alice");
  allow_everything(who);
  anybody.send("GET k");
  rig.fill("$1\r\nv\r\n");
  anybody.read();
  rig.acknowledge();
  alice.send("GET k\r\nSTRLEN k\r\nEXISTS k\r\nMGET k\r\nPING");
  CHECK(alice.read() == "$1\r\nv\r\n:1\r\n:1\r\n*1\r\n$1\r\nv\r\n+PONG\r\n");
  who->on_no_rules();
  alice.send("GET k");
  CHECK(pending(link_of(rig, "alice")) == "PTTL k, GET k");
}

TEST_CASE("with acl_ttl 0 every read of a user is asked of Redis") {
  Rig rig(1, [](config::Config& config) { config.coherence.acl_ttl = 0ms; });
  TestClient alice(rig);
  log_in(rig, alice, "alice");
  for (int i = 0; i < 3; i++) {
    alice.send("GET k");
    fill(rig, link_of(rig, "alice"), "$1\r\nv\r\n");
    CHECK(alice.read() == "$1\r\nv\r\n");
    rig.acknowledge();
  }
}

TEST_CASE("reads under way are joined by the same user only") {
  Rig rig(1, acl_ttl_1h);
  TestClient anybody(rig);
  TestClient alice(rig);
  TestClient other(rig);
  log_in(rig, alice, "alice");
  allow_everything(identity(rig, "alice"));
  anybody.send("GET k");
  other.send("GET k");
  CHECK(rig.pending() == "PTTL k, GET k");
  alice.send("GET k");
  CHECK(pending(link_of(rig, "alice")) == "PTTL k, GET k");
  // Redis has just forbidden it to one of them.
  fill(rig, link_of(rig, "alice"), kNoKey);
  CHECK(alice.read() == kNoKey);
  CHECK(anybody.read().empty());
  rig.fill("$1\r\nv\r\n");
  CHECK(anybody.read() == "$1\r\nv\r\n");
  CHECK(other.read() == "$1\r\nv\r\n");
}

TEST_CASE("reads of several keys need a stamp for each") {
  Rig rig(1, acl_ttl_1h);
  TestClient alice(rig);
  log_in(rig, alice, "alice");
  FakeLink& link = link_of(rig, "alice");
  alice.send("MGET a b");
  CHECK(pending(link) == "PTTL a, PTTL b, MGET a b");
  link.reply(":-1\r\n");
  link.reply(":-1\r\n");
  answer(rig, link, "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
  CHECK(alice.read() == "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
  rig.acknowledge();
  alice.send("MGET b a");
  CHECK(alice.read() == "*2\r\n$1\r\n2\r\n$1\r\n1\r\n");
  alice.send("MGET a c");
  CHECK(link.pending.size() == 3);
  link.reply(":-1\r\n");
  link.reply(":-1\r\n");
  answer(rig, link, kNoKey);
  CHECK(alice.read() == kNoKey);
  alice.send("MGET b a");
  CHECK(alice.read() == "*2\r\n$1\r\n2\r\n$1\r\n1\r\n");
}

TEST_CASE("where PTTL is refused the read goes alone, and L1 is not filled") {
  Rig rig(1, acl_ttl_1h);
  TestClient alice(rig);
  log_in(rig, alice, "alice");
  FakeLink& link = link_of(rig, "alice");
  alice.send("GET k");
  link.reply("-NOPERM this user has no permissions to run the 'pttl' command\r\n");
  answer(rig, link, "$1\r\nv\r\n");
  CHECK(alice.read() == "$1\r\nv\r\n");
  for (int i = 0; i < 2; i++) {
    alice.send("GET k");
    CHECK(pending(link) == "GET k");
    answer(rig, link, "$1\r\nv\r\n");
    CHECK(alice.read() == "$1\r\nv\r\n");
  }
}

TEST_CASE("a connection of its own is the user's too, and RESET ends that") {
  Rig rig;
  TestClient alice(rig);
  log_in(rig, alice, "alice");
  alice.send("MULTI");
  CHECK(rig.own().spec.user == identity(rig, "alice")->id());
  CHECK(rig.own().spec.login->user == "alice");
  rig.own().frame("+OK\r\n");
  rig.run();
  CHECK(alice.read() == "+OK\r\n");
  alice.send("RESET");
  rig.own().frame("+RESET\r\n");
  rig.run();
  CHECK(alice.read() == "+RESET\r\n");
  alice.send("SET k v");
  if (rig.link().pending.empty()) {
    rig.run();
  }
  CHECK(rig.pending() == "SET k v");
}

TEST_CASE("beyond limits.users a login lives on the client's own connection") {
  Rig rig(1, [](config::Config& config) { config.limits.users = 0; });
  TestClient alice(rig);
  alice.send("AUTH alice pw\r\nGET k");
  CHECK(links(rig).candidates.empty());
  CHECK(rig.own().raw == std::vector<std::string>{"AUTH alice pw", "GET k"});
  rig.own().frame("+OK\r\n");
  rig.own().frame("$1\r\nv\r\n");
  rig.run();
  CHECK(alice.read() == "+OK\r\n$1\r\nv\r\n");
  alice.send("RESET\r\nSET k w");
  rig.own().frame("+RESET\r\n");
  rig.run();
  CHECK(rig.pending() == "SET k w");
}

TEST_CASE("what the proxy answers itself Redis is asked about first") {
  Rig rig;
  TestClient alice(rig);
  TestClient other(rig);
  log_in(rig, alice, "alice");
  FakeLink& link = link_of(rig, "alice");
  alice.send("CLIENT KILL ID 1\r\nCLIENT KILL TYPE normal");
  CHECK(pending(link) == "CLIENT kill -");
  answer(rig, link, "-NOPERM this user has no permissions to run the 'client|kill' command\r\n");
  CHECK(alice.read() ==
        "-NOPERM this user has no permissions to run the 'client|kill' command\r\n");
  CHECK_FALSE(other.closed());
  answer(rig, link, "-ERR No such client\r\n");
  CHECK(alice.read() == ":1\r\n");
  CHECK(other.closed());
  alice.send("CACHE STATS");
  CHECK(pending(link) == "CONFIG GET -");
  answer(rig, link, "-NOPERM this user has no permissions to run the 'config|get' command\r\n");
  CHECK(alice.read() ==
        "-NOPERM this user has no permissions to run the 'cache|stats' command\r\n");
  alice.send("PING");
  CHECK(pending(link) == "PING");
  answer(rig, link, "+PONG\r\n");
  CHECK(alice.read() == "+PONG\r\n");
  alice.send("SELECT 0");
  CHECK(pending(link) == "SELECT 0");
  answer(rig, link, "-NOPERM this user has no permissions to run the 'select' command\r\n");
  CHECK(alice.read() == "-NOPERM this user has no permissions to run the 'select' command\r\n");
}

TEST_CASE("what Redis has allowed holds for the request that it was asked about") {
  Rig rig;
  TestClient alice(rig);
  TestClient other(rig);
  log_in(rig, alice, "alice");
  FakeLink& link = link_of(rig, "alice");
  alice.send("CLIENT KILL ID 1");
  CHECK(pending(link) == "CLIENT kill -");
  // It is not done after all.
  auto stricter = std::make_shared<config::Config>();
  stricter->commands.deny = {"client|kill"};
  rig.threads[0]->worker->set_config(stricter);
  rig.run();
  answer(rig, link, "-ERR No such client\r\n");
  CHECK(alice.read().starts_with("-ERR"));
  rig.threads[0]->worker->set_config(std::make_shared<config::Config>());
  rig.run();
  alice.send("CLIENT KILL TYPE normal");
  CHECK_FALSE(other.closed());
  CHECK(pending(link) == "CLIENT kill -");
  answer(rig, link, "-NOPERM this user has no permissions to run the 'client|kill' command\r\n");
  CHECK(alice.read() ==
        "-NOPERM this user has no permissions to run the 'client|kill' command\r\n");
  CHECK_FALSE(other.closed());
}

TEST_CASE("RESET takes a user's rights away from a client that others' invalidations go to") {
  Rig rig;
  rig.hub.identities.ask_about_anonymous(Identities::AnonymousAs::nobody);
  rig.hub.identities.anonymous()->on_no_rules();
  TestClient target(rig);
  log_in(rig, target, "alice");
  allow_everything(identity(rig, "alice"));
  target.send("CLIENT ID");
  const std::string id = target.read();
  TestClient other(rig);
  other.send("CLIENT TRACKING ON REDIRECT " + id.substr(1, id.size() - 3));
  const auto own = std::ranges::find_if(links(rig).owned, [&](const FakeLinks::Ref& link) {
    return link->spec.user == identity(rig, "alice")->id();
  });
  REQUIRE(own != links(rig).owned.end());
  FakeLink& its = **own;
  target.send("RESET\r\nCLIENT NO-EVICT ON");
  REQUIRE(its.raw.back() == "RESET");
  its.frame("+RESET\r\n");
  rig.run();
  CHECK(target.read() == "+RESET\r\n");
  const std::uint64_t nobody = rig.hub.identities.anonymous()->id();
  FakeLink& link = links(rig).at({0, resp::Version::resp2, nobody});
  CHECK(pending(link) == "CLIENT no-evict -");
  answer(rig, link, "-NOAUTH Authentication required.\r\n");
  CHECK(target.read() == "-NOAUTH Authentication required.\r\n");
  // And it is asked as nobody again where it came from.
  target.send("CLIENT NO-EVICT ON");
  CHECK(pending(link) == "CLIENT no-evict -");
}

TEST_CASE("a client whose login is not accepted any more loses its connection, busy or idle") {
  Rig rig;
  TestClient busy(rig);
  log_in(rig, busy, "alice");
  FakeLink& link = login_link(rig);
  busy.send("SET k v");
  link.die("-WRONGPASS invalid username-password pair or user is disabled.");
  rig.run();
  CHECK(busy.closed());

  TestClient next(rig);
  log_in(rig, next, "bob");
  login_link(rig).die("-WRONGPASS invalid username-password pair or user is disabled.");
  rig.run();
  CHECK_FALSE(next.closed());
  next.send("GET k");
  CHECK(next.closed());

  // Any other loss is none of its business.
  TestClient third(rig);
  log_in(rig, third, "carol");
  login_link(rig).die("Redis closed the connection");
  third.send("SET k v");
  answer(rig, link_of(rig, "carol"), "+OK\r\n");
  CHECK(third.read() == "+OK\r\n");
  CHECK(link_of(rig, "carol").spec.login->user == "carol");
}
