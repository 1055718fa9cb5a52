// Users of a real Redis through the proxy: what one may not see is not shown from memory either,
// and what Redis says of logins and rights is said in its own bytes.
#include "client.hpp"
#include "proxy_fixture.hpp"
#include "redis_server.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::testing;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

struct World {
  explicit World(std::vector<std::string> redis_args = {},
                 std::function<void(config::Config&)> tune = {}, unsigned workers = 1)
      : server(std::move(redis_args)), proxy(server.port(), options(std::move(tune), workers)) {
  }
  static ProxyFixture::Options options(std::function<void(config::Config&)> tune,
                                       unsigned workers) {
    ProxyFixture::Options options;
    options.workers = workers;
    options.tune = std::move(tune);
    return options;
  }

  RedisServer server;
  ProxyFixture proxy;
};

void add_users(Client& direct) {
  direct.call("ACL", "SETUSER", "alice", "on", ">secret", "~a:*", "&*", "+@all");
  direct.call("ACL", "SETUSER", "bob", "on", ">secret", "~b:*", "+@all", "-strlen");
  direct.call("ACL", "SETUSER", "root", "on", ">secret", "~*", "&*", "+@all");
}

Client user(std::uint16_t port, const char* name) {
  Client client(port);
  REQUIRE(client.call("AUTH", name, "secret").text == "OK");
  return client;
}

// The bytes that Redis itself and the proxy answer the same user.
void check_same(Client& proxied, Client& direct, const std::vector<Words>& requests) {
  for (const Words& words : requests) {
    CAPTURE(words.front());
    CAPTURE(words.size() > 1 ? words[1] : "");
    direct.call(words);
    const std::string expected = direct.last_raw();
    proxied.call(words);
    CHECK(proxied.last_raw() == expected);
  }
}

// L1 answers the read, perhaps not the first.
bool hits(Client& client, ProxyFixture& proxy, const Words& read) {
  return ProxyFixture::eventually([&] {
    const auto before = proxy.hits();
    client.call(read);
    return proxy.hits() > before;
  });
}

}  // namespace

TEST_CASE("a warm key is shown to nobody whom Redis does not show it") {
  World world({}, {}, 2);
  Client direct(world.server.port());
  add_users(direct);
  direct.call("SET", "a:1", "A");
  direct.call("SET", "b:1", "B");
  Client anybody(world.proxy.port());
  CHECK(hits(anybody, world.proxy, {"GET", "a:1"}));
  CHECK(hits(anybody, world.proxy, {"GET", "b:1"}));
  CHECK(hits(anybody, world.proxy, {"STRLEN", "b:1"}));
  Client alice = user(world.proxy.port(), "alice");
  Client bob = user(world.proxy.port(), "bob");
  Client direct_alice = user(world.server.port(), "alice");
  Client direct_bob = user(world.server.port(), "bob");
  for (int round = 0; round < 3; round++) {
    check_same(alice, direct_alice,
               {{"GET", "a:1"},
                {"GET", "b:1"},
                {"MGET", "a:1", "b:1"},
                {"TTL", "b:1"},
                {"EXISTS", "b:1", "a:1"},
                {"STRLEN", "a:1"},
                {"SET", "b:1", "x"}});
    check_same(bob, direct_bob,
               {{"GET", "a:1"}, {"GET", "b:1"}, {"STRLEN", "b:1"}, {"GETRANGE", "b:1", "0", "0"}});
  }
  CHECK(hits(alice, world.proxy, {"GET", "a:1"}));
  CHECK(hits(bob, world.proxy, {"GET", "b:1"}));
  check_same(alice, direct_alice, {{"GET", "b:1"}});
  check_same(bob, direct_bob, {{"GET", "a:1"}, {"STRLEN", "b:1"}});
}

TEST_CASE("a user who may do everything reads what others have warmed") {
  World world;
  Client direct(world.server.port());
  add_users(direct);
  direct.call("SET", "k", "v");
  Client root = user(world.proxy.port(), "root");
  Client anybody(world.proxy.port());
  CHECK(hits(anybody, world.proxy, {"GET", "k"}));
  CHECK(ProxyFixture::eventually([&] {
    return world.proxy.hub().identities.claim("root", 9)->may_all(std::chrono::steady_clock::now());
  }));
  const auto before = world.proxy.hits();
  CHECK(root.call("GET", "k").text == "v");
  CHECK(world.proxy.hits() == before + 1);
}

TEST_CASE("a right that is taken away is gone for memory too") {
  const auto tune = [](config::Config& config) {
    config.coherence.acl_ttl = 100ms;
  };
  World world({}, tune);
  Client direct(world.server.port());
  add_users(direct);
  direct.call("SET", "a:1", "A");
  for (const char* name : {"alice", "root"}) {
    CAPTURE(name);
    Client client = user(world.proxy.port(), name);
    Client straight = user(world.server.port(), name);
    CHECK(hits(client, world.proxy, {"GET", "a:1"}));
    direct.call("ACL", "SETUSER", name, "-get");
    CHECK(ProxyFixture::eventually([&] { return client.call("GET", "a:1").is_error(); }));
    for (int i = 0; i < 20; i++) {
      check_same(client, straight, {{"GET", "a:1"}});
    }
    direct.call("ACL", "SETUSER", name, "+get");
    CHECK(ProxyFixture::eventually([&] { return client.call("GET", "a:1").text == "A"; }));
    CHECK(hits(client, world.proxy, {"GET", "a:1"}));
  }
  // Whoever has not logged in is a user too.
  Client anybody(world.proxy.port());
  CHECK(hits(anybody, world.proxy, {"GET", "a:1"}));
  direct.call("ACL", "SETUSER", "default", "resetkeys", "~b:*");
  CHECK(ProxyFixture::eventually([&] { return anybody.call("GET", "a:1").is_error(); }));
  check_same(anybody, direct, {{"GET", "a:1"}, {"GET", "b:1"}, {"STRLEN", "a:1"}});
}

TEST_CASE("with acl_ttl 0 each answer is one of Redis's") {
  const auto tune = [](config::Config& config) {
    config.coherence.acl_ttl = 0ms;
  };
  World world({}, tune);
  Client direct(world.server.port());
  add_users(direct);
  direct.call("SET", "a:1", "A");
  Client alice = user(world.proxy.port(), "alice");
  for (int i = 0; i < 50; i++) {
    CHECK(alice.call("GET", "a:1").text == "A");
    direct.call("ACL", "SETUSER", "alice", "resetkeys");
    CHECK(alice.call("GET", "a:1").text.starts_with("NOPERM"));
    direct.call("ACL", "SETUSER", "alice", "~a:*");
  }
  CHECK(world.proxy.hits() == 0);
}

TEST_CASE(
    "a deleted user's clients are closed, busy, idle and pinned; a new password closes none") {
  World world({}, {}, 2);
  Client direct(world.server.port());
  add_users(direct);
  Client idle = user(world.proxy.port(), "alice");
  Client second = user(world.proxy.port(), "alice");
  Client waiting = user(world.proxy.port(), "alice");
  Client other = user(world.proxy.port(), "bob");
  second.call("GET", "a:1");
  waiting.send("BLPOP", "a:list", "0");
  direct.call("ACL", "SETUSER", "alice", ">new", "<secret");
  direct.call("ACL", "SETUSER", "bob", ">new", "<secret");
  CHECK(second.call("SET", "a:1", "v").text == "OK");
  CHECK(second.call("GET", "a:1").text == "v");
  CHECK(Client(world.proxy.port()).call("AUTH", "alice", "secret").text.starts_with("WRONGPASS"));
  CHECK(Client(world.proxy.port()).call("AUTH", "alice", "new").text == "OK");
  direct.call("ACL", "DELUSER", "alice");
  CHECK(idle.wait_closed(60s));
  CHECK(second.wait_closed(60s));
  CHECK(waiting.wait_closed(60s));
  CHECK(other.call("GET", "b:1").is_nil());
  CHECK(Client(world.proxy.port()).call("AUTH", "alice", "new").text.starts_with("WRONGPASS"));
}

TEST_CASE("where Redis wants a password nobody gets anything without") {
  World world({"--requirepass", "secret"},
              [](config::Config& config) { config.upstream.password = "secret"; });
  Client proxied(world.proxy.port());
  Client direct(world.server.port());
  Client inside(world.proxy.port());
  check_same(inside, direct, {{"AUTH", "wrong"}});
  CHECK(inside.call("AUTH", "secret").text == "OK");
  CHECK(inside.call("SET", "k", "v").text == "OK");
  CHECK(hits(inside, world.proxy, {"GET", "k"}));
  check_same(proxied, direct,
             {{"GET", "k"},
              {"MGET", "k"},
              {"TTL", "k"},
              {"PING"},
              {"ECHO", "x"},
              {"SELECT", "1"},
              {"CLIENT", "ID"},
              {"CLIENT", "LIST"},
              {"CLIENT", "KILL", "ID", "1"},
              {"HELLO"},
              {"HELLO", "2"},
              {"HELLO", "3"},
              {"NOSUCH"},
              {"GET"},
              {"MULTI"},
              {"SUBSCRIBE", "c"},
              {"COMMAND", "COUNT"},
              {"HELLO", "3", "AUTH", "default", "no"},
              {"RESET"},
              {"GET", "k"}});
  CHECK(proxied.call("CACHE", "STATS").text.starts_with("NOAUTH"));
  CHECK(proxied.call("HELLO", "3", "AUTH", "default", "secret").find("proto")->integer == 3);
  CHECK(hits(proxied, world.proxy, {"GET", "k"}));
  CHECK(proxied.call("RESET").text == "RESET");
  CHECK(proxied.call("GET", "k").text.starts_with("NOAUTH"));
}

TEST_CASE("listen.auth = proxy: who has not logged in is the proxy's user") {
  World world({"--requirepass", "secret"}, [](config::Config& config) {
    config.upstream.password = "secret";
    config.listen.auth = config::Auth::proxy;
  });
  Client client(world.proxy.port());
  CHECK(client.call("SET", "k", "v").text == "OK");
  CHECK(hits(client, world.proxy, {"GET", "k"}));
  CHECK(client.call("AUTH", "wrong").text.starts_with("WRONGPASS"));
  CHECK(client.call("GET", "k").text == "v");
}

TEST_CASE("a password that is set while clients are connected is asked of the next ones") {
  const auto tune = [](config::Config& config) {
    config.coherence.acl_ttl = 100ms;
  };
  World world({}, tune);
  Client direct(world.server.port());
  Client early(world.proxy.port());
  CHECK(early.call("SET", "k", "v").text == "OK");
  CHECK(hits(early, world.proxy, {"GET", "k"}));
  direct.call("CONFIG", "SET", "requirepass", "secret");
  CHECK(ProxyFixture::eventually([&] {
    Client late(world.proxy.port());
    return late.call("GET", "k").text.starts_with("NOAUTH");
  }));
  CHECK(early.call("GET", "k").text == "v");
  direct.call("CONFIG", "SET", "requirepass", "");
  CHECK(ProxyFixture::eventually([&] {
    Client late(world.proxy.port());
    return late.call("GET", "k").text == "v";
  }));
}

TEST_CASE("the proxy without a password of its own lets clients log in") {
  RedisServer server({"--requirepass", "secret"});
  ProxyFixture::Options options;
  options.events = false;
  ProxyFixture proxy(server.port(), options);
  Client client(proxy.port());
  CHECK(client.call("GET", "k").text.starts_with("NOAUTH"));
  CHECK(client.call("AUTH", "secret").text == "OK");
  CHECK(client.call("SELECT", "3").text == "OK");
  CHECK(client.call("SET", "k", "v").text == "OK");
  CHECK(client.call("HELLO", "3").find("proto")->integer == 3);
  CHECK(client.call("GET", "k").text == "v");
}

TEST_CASE("logins, good and bad, are answered in Redis's bytes") {
  World world;
  Client direct(world.server.port());
  Client proxied(world.proxy.port());
  add_users(direct);
  direct.call("ACL", "SETUSER", "off", "off", ">secret", "~*", "+@all");
  direct.call("ACL", "SETUSER", "few", "on", ">secret", "~a:*", "-@all", "+get");
  check_same(proxied, direct,
             {{"AUTH"},
              {"AUTH", "a", "b", "c"},
              {"AUTH", "secret"},
              {"AUTH", "alice", "wrong"},
              {"AUTH", "nobody", "x"},
              {"AUTH", "off", "secret"},
              {"HELLO", "3", "AUTH", "alice"},
              {"HELLO", "2", "AUTH", "alice", "wrong"},
              {"HELLO", "4", "AUTH", "alice", "secret"},
              {"AUTH", "default", "anything"},
              {"ACL", "WHOAMI"},
              {"AUTH", "few", "secret"},
              {"ACL", "WHOAMI"},
              {"PING"},
              {"ECHO", "x"},
              {"SELECT", "1"},
              {"SELECT", "0"},
              {"CLIENT", "GETNAME"},
              {"CLIENT", "KILL", "TYPE", "pubsub"},
              {"CLIENT", "PAUSE", "1"},
              {"MULTI"},
              {"SUBSCRIBE", "c"},
              {"GET", "a:1"},
              {"GET", "b:1"},
              {"HELLO", "2", "AUTH", "nobody", "x"},
              {"GET", "a:1"},
              {"AUTH", "alice", "secret"},
              {"ACL", "WHOAMI"},
              {"SELECT", "99"},
              {"SELECT", "2"},
              {"SET", "a:1", "v"},
              {"GET", "a:1"},
              {"RESET"},
              {"ACL", "WHOAMI"},
              {"GET", "a:1"}});
}

TEST_CASE("pipelined logins and commands are answered in order, each as who it is") {
  World world;
  Client direct(world.server.port());
  add_users(direct);
  Client client(world.proxy.port());
  client.send("ACL", "WHOAMI");
  client.send("AUTH", "alice", "secret");
  client.send("ACL", "WHOAMI");
  client.send("AUTH", "bob", "wrong");
  client.send("ACL", "WHOAMI");
  client.send("MULTI");
  client.send("ACL", "WHOAMI");
  client.send("EXEC");
  client.send("AUTH", "bob", "secret");
  client.send("ACL", "WHOAMI");
  client.send("RESET");
  client.send("ACL", "WHOAMI");
  const char* expected[] = {"default", "OK", "alice", "", "alice", "OK", "QUEUED"};
  for (const char* text : expected) {
    const Value reply = client.read();
    CHECK((*text == '\0' ? reply.is_error() : reply.text == text));
  }
  CHECK(client.read().items.at(0).text == "alice");
  for (const char* text : {"OK", "bob", "RESET", "default"}) {
    CHECK(client.read().text == text);
  }
}

TEST_CASE("CLIENT LIST and the log of refusals name who acts") {
  World world;
  Client direct(world.server.port());
  add_users(direct);
  Client alice(world.proxy.port());
  alice.call("HELLO", "3", "AUTH", "alice", "secret", "SETNAME", "me");
  const std::string info = alice.call("CLIENT", "INFO").text;
  CHECK(info.find("name=me ") != std::string::npos);
  CHECK(info.find("user=alice ") != std::string::npos);
  Client root = user(world.proxy.port(), "root");
  CHECK(root.call("CLIENT", "LIST").text.find("user=alice ") != std::string::npos);
  // Logged in while it watches: on its own connection.
  root.call("WATCH", "k");
  CHECK(root.call("AUTH", "bob", "secret").text == "OK");
  CHECK(root.call("ACL", "WHOAMI").text == "bob");
  CHECK(root.call("CLIENT", "INFO").text.find("user=bob ") != std::string::npos);

  CHECK(ProxyFixture::eventually(
      [&] { return !world.proxy.hub().identities.claim("alice", 9)->may_pttl("b:1"); }));
  direct.call("ACL", "LOG", "RESET");
  CHECK(alice.call("GET", "b:1").is_error());
  const Value log = direct.call("ACL", "LOG");
  REQUIRE(log.items.size() == 1);
  CHECK(log.items[0].find("username")->text == "alice");
  CHECK(log.items[0].find("object")->text == "b:1");
  CHECK(log.items[0].find("count")->integer == 1);
}

TEST_CASE("beyond limits.users a login works as well, past L1") {
  const auto tune = [](config::Config& config) {
    config.limits.users = 1;
  };
  World world({}, tune);
  Client direct(world.server.port());
  add_users(direct);
  Client alice = user(world.proxy.port(), "alice");
  Client bob = user(world.proxy.port(), "bob");
  CHECK(bob.call("ACL", "WHOAMI").text == "bob");
  CHECK(bob.call("SET", "b:1", "v").text == "OK");
  for (int i = 0; i < 5; i++) {
    CHECK(bob.call("GET", "b:1").text == "v");
  }
  CHECK(world.proxy.hits() == 0);
  CHECK(alice.call("ACL", "WHOAMI").text == "alice");
  // One who leaves makes room.
  alice.close();
  CHECK(ProxyFixture::eventually([&] { return world.proxy.hub().identities.users() == 0; }));
  CHECK(bob.call("RESET").text == "RESET");
  CHECK(bob.call("AUTH", "bob", "secret").text == "OK");
  CHECK(hits(bob, world.proxy, {"GET", "b:1"}));
}

TEST_CASE("state on a connection is the user's own") {
  World world;
  Client direct(world.server.port());
  add_users(direct);
  Client alice = user(world.proxy.port(), "alice");
  Client sender(world.proxy.port());
  alice.send("BLPOP", "a:list", "0");
  sender.call("RPUSH", "a:list", "x");
  CHECK(alice.read().to_string() == R"(["a:list", "x"])");
  CHECK(alice.call("BLPOP", "b:list", "0.01").text.starts_with("NOPERM"));
  CHECK(alice.call("WATCH", "b:1").text.starts_with("NOPERM"));
  CHECK(alice.call("WATCH", "a:1").text == "OK");
  CHECK(alice.call("MULTI").text == "OK");
  CHECK(alice.call("SET", "b:1", "x").text.starts_with("NOPERM"));
  CHECK(alice.call("EXEC").text.starts_with("EXECABORT"));
  CHECK(alice.call("SUBSCRIBE", "c").to_string() == R"(["subscribe", "c", 1])");
  CHECK(sender.call("PUBLISH", "c", "hi").integer == 1);
  CHECK(alice.read().to_string() == R"(["message", "c", "hi"])");
  CHECK(alice.call("UNSUBSCRIBE", "c").items.at(2).integer == 0);
  CHECK(alice.call("ACL", "WHOAMI").text == "alice");
}
