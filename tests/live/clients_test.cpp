// CLIENT through the program, with several threads, beside a redis-server asked the same.
#include "client_list.hpp"
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Words = std::vector<std::string>;

constexpr seconds kPatience(60);

struct World {
  RedisServer redis;
  TiercacheProcess proxy;

  World() : proxy(redis.port(), {"threads=3"}) {
    proxy.wait_live();
  }
  Client client() const {
    return Client(proxy.port(), kPatience);
  }
};

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

bool blocked(Client& asker, const std::string& id) {
  return eventually([&] { return field(line_of(asker, id), "flags") == "b"; });
}

}  // namespace

TEST_CASE("CLIENT's answers that depend on nobody, and its errors, are Redis's byte for byte") {
  World world;
  RedisServer twin;
  const std::vector<Words> requests = {
      {"CLIENT"},
      {"CLIENT", "NOSUCH"},
      {"CLIENT", "HELP"},
      {"CLIENT", "ID", "x"},
      {"CLIENT", "INFO", "x"},
      {"CLIENT", "KILL"},
      {"CLIENT", "KILL", "1.2.3.4:5"},
      {"CLIENT", "KILL", "ID", "0"},
      {"CLIENT", "KILL", "ID", "x"},
      {"CLIENT", "KILL", "ID", "1", "SKIPME"},
      {"CLIENT", "KILL", "ID", "9223372036854775807"},
      {"CLIENT", "KILL", "ID", "9223372036854775808"},
      {"CLIENT", "KILL", "ID", "900000", "NOSUCH", "1"},
      {"CLIENT", "KILL", "TYPE", "nosuch"},
      {"CLIENT", "KILL", "TYPE", "master"},
      {"CLIENT", "KILL", "TYPE", "replica"},
      {"CLIENT", "KILL", "TYPE", "pubsub"},
      {"CLIENT", "KILL", "USER", "nosuch"},
      {"CLIENT", "KILL", "USER", "default", "ADDR", "1.2.3.4:5"},
      {"CLIENT", "KILL", "SKIPME", "maybe"},
      {"CLIENT", "KILL", "LADDR", "1.2.3.4:5", "SKIPME", "no"},
      {"CLIENT", "LIST", "TYPE"},
      {"CLIENT", "LIST", "TYPE", "nosuch"},
      {"CLIENT", "LIST", "TYPE", "master"},
      {"CLIENT", "LIST", "TYPE", "replica"},
      {"CLIENT", "LIST", "TYPE", "pubsub"},
      {"CLIENT", "LIST", "ID"},
      {"CLIENT", "LIST", "ID", "x"},
      {"CLIENT", "LIST", "ID", "900000", "900001"},
      {"CLIENT", "LIST", "nosuch"},
      {"CLIENT", "PAUSE"},
      {"CLIENT", "PAUSE", "x"},
      {"CLIENT", "PAUSE", "-1"},
      {"CLIENT", "PAUSE", "0"},
      {"CLIENT", "PAUSE", "5", "nosuch"},
      {"CLIENT", "PAUSE", "5", "WRITE", "x"},
      {"CLIENT", "PAUSE", "1", "WRITE"},
      {"CLIENT", "UNPAUSE", "x"},
      {"CLIENT", "UNPAUSE"},
      {"CLIENT", "UNBLOCK"},
      {"CLIENT", "UNBLOCK", "x"},
      {"CLIENT", "UNBLOCK", "900000"},
      {"CLIENT", "UNBLOCK", "-1"},
      {"CLIENT", "UNBLOCK", "900000", "nosuch"},
      {"CLIENT", "UNBLOCK", "900000", "ERROR"},
      {"CLIENT", "UNBLOCK", "900000", "ERROR", "x"},
      {"CLIENT", "NO-EVICT"},
      {"CLIENT", "NO-EVICT", "maybe"},
      {"CLIENT", "NO-EVICT", "on"},
      {"CLIENT", "NO-EVICT", "OFF"},
      {"CLIENT", "GETNAME"},
      {"CLIENT", "SETNAME", "a b"},
      {"CLIENT", "SETNAME", "name"},
      {"CLIENT", "GETNAME"},
      {"CLIENT", "GETREDIR"},
      {"CLIENT", "TRACKINGINFO"},
      {"CLIENT", "TRACKING", "ON", "REDIRECT", "900000"},
      {"CLIENT", "TRACKING", "ON", "REDIRECT", "x"},
      {"CLIENT", "TRACKING", "ON", "REDIRECT", "0"},
      {"CLIENT", "CACHING", "YES"},
      {"CLIENT", "REPLY", "nosuch"},
      {"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "redirect"},
      {"CLIENT", "TRACKINGINFO"},
      {"CLIENT", "GETREDIR"},
      {"CLIENT", "TRACKING", "OFF"},
      {"CLIENT", "TRACKINGINFO"},
      {"RESET"},
      {"CLIENT", "GETNAME"},
      {"SUBSCRIBE", "channel"},
      {"CLIENT", "ID"},
      {"CLIENT", "KILL"},
  };
  for (const char* version : {"2", "3"}) {
    CAPTURE(version);
    Client plain(twin.port(), kPatience);
    Client proxied = world.client();
    plain.call("HELLO", version);
    proxied.call("HELLO", version);
    for (const Words& words : requests) {
      if (version[0] == '3' && (words[0] == "RESET" || words[0] == "SUBSCRIBE")) {
        break;
      }
      std::string line;
      for (const std::string& word : words) {
        line += word + " ";
      }
      CAPTURE(line);
      plain.call(words);
      proxied.call(words);
      CHECK(proxied.last_raw() == plain.last_raw());
    }
  }
}

TEST_CASE("a client is told of in Redis's fields, with Redis's flags") {
  World world;
  RedisServer twin;
  const std::vector<std::vector<Words>> lives = {
      {{"PING"}},
      {{"CLIENT", "SETNAME", "me"}, {"SELECT", "3"}},
      {{"MULTI"}, {"SET", "a", "1"}, {"GET", "a"}},
      {{"SUBSCRIBE", "a", "b"}, {"PSUBSCRIBE", "p*"}, {"SSUBSCRIBE", "s"}},
      {{"HELLO", "3"}, {"CLIENT", "TRACKING", "ON", "BCAST"}},
      {{"HELLO", "3"}, {"CLIENT", "TRACKING", "ON"}, {"GET", "a"}},
      {{"MONITOR"}},
      {{"CLIENT", "NO-EVICT", "ON"}},
      {{"BLPOP", "list", "0"}},
      {{"NOSUCH"}},
      {{"CONFIG", "GET", "maxmemory"}},
  };
  Client direct(twin.port(), kPatience);
  Client asker = world.client();
  CHECK(names(asker.call("CLIENT", "INFO").text) == names(direct.call("CLIENT", "INFO").text));
  for (const std::vector<Words>& life : lives) {
    CAPTURE(life.back()[0]);
    Client plain(twin.port(), kPatience);
    Client proxied = world.client();
    const std::string plain_id = id_of(plain);
    const std::string id = id_of(proxied);
    for (const Words& words : life) {
      plain.send(words);
      proxied.send(words);
      const bool waits = words[0] == "BLPOP";
      const std::size_t replies = words[0] == "SUBSCRIBE" ? 2 : waits ? 0 : 1;
      for (std::size_t i = 0; i < replies; i++) {
        plain.read();
        proxied.read();
      }
      if (waits) {
        CHECK(blocked(direct, plain_id));
        CHECK(blocked(asker, id));
      }
    }
    const std::string expected = line_of(direct, plain_id);
    const std::string line = line_of(asker, id);
    CAPTURE(line);
    CHECK(names(line) == names(expected));
    for (const char* name : {"name", "flags", "db", "sub", "psub", "ssub", "multi", "events", "cmd",
                             "user", "redir", "resp"}) {
      CAPTURE(name);
      CHECK(field(line, name) == field(expected, name));
    }
    CHECK(field(line, "id") == id);
    CHECK(field(line, "laddr") == "127.0.0.1:" + std::to_string(world.proxy.port()));
  }
}

TEST_CASE("ids are the same wherever they are shown, and grow over all threads") {
  World world;
  Client asker = world.client();
  std::vector<Client> clients;
  std::int64_t last = 0;
  for (int i = 0; i < 9; i++) {
    clients.push_back(world.client());
    Client& client = clients.back();
    const std::int64_t id = client.call("CLIENT", "ID").integer;
    CHECK(id > last);
    last = id;
    CHECK(client.call("HELLO", "2").find("id")->integer == id);
    CHECK(client.call("CLIENT", "INFO").text.starts_with("id=" + std::to_string(id) + " "));
    CHECK(asker.call("CACHE", "CLIENTS").text.find("id=" + std::to_string(id) + " ") !=
          std::string::npos);
  }
  // In a state that hangs on a connection of its own too.
  const std::string asker_id = id_of(asker);
  asker.call("WATCH", "k");
  CHECK(std::to_string(asker.call("HELLO", "3").find("id")->integer) == asker_id);
  asker.call("UNWATCH");
  const std::string all = asker.call("CLIENT", "LIST").text;
  CHECK(lines(all) == 10);
  CHECK(lines(asker.call("CLIENT", "LIST", "TYPE", "normal").text) == 10);
  const std::string one = std::to_string(last);
  const std::string two = id_of(asker);
  const std::string picked = asker.call("CLIENT", "LIST", "ID", one, two, "900000", one).text;
  CHECK(lines(picked) == 3);
  CHECK(picked.starts_with("id=" + one + " "));
  CHECK(picked.find("\nid=" + two + " ") != std::string::npos);
}

TEST_CASE("CLIENT KILL ends a client in whatever it does, on every thread") {
  World world;
  Client killer = world.client();
  Client direct(world.redis.port(), kPatience);
  for (const Words& life : {Words{"PING"}, Words{"BLPOP", "list", "0"}, Words{"SUBSCRIBE", "a"},
                            Words{"MONITOR"}, Words{"MULTI"}}) {
    CAPTURE(life[0]);
    for (int thread = 0; thread < 3; thread++) {
      Client victim = world.client();
      const std::string id = id_of(victim);
      victim.send(life);
      if (life[0] == "BLPOP") {
        CHECK(blocked(killer, id));
      } else {
        victim.read();
      }
      CHECK(killer.call("CLIENT", "KILL", "ID", id).integer == 1);
      CHECK(victim.wait_closed(kPatience));
      CHECK(line_of(killer, id).empty());
      CHECK(killer.call("CLIENT", "KILL", "ID", id).integer == 0);
    }
  }
  // Nothing of them is left at Redis.
  CHECK(eventually([&] {
    return direct.call("INFO", "clients").text.find("blocked_clients:0") != std::string::npos;
  }));
  CHECK(direct.call("CLIENT", "LIST", "TYPE", "pubsub").text.find(" cmd=subscribe ") ==
        std::string::npos);
}

TEST_CASE("CLIENT KILL by type and address, and of oneself behind the answer") {
  World world;
  Client killer = world.client();
  Client subscriber = world.client();
  Client other = world.client();
  subscriber.call("SUBSCRIBE", "a");
  CHECK(killer.call("CLIENT", "KILL", "TYPE", "pubsub").integer == 1);
  CHECK(subscriber.wait_closed(kPatience));

  const std::string address = field(other.call("CLIENT", "INFO").text, "addr");
  CHECK(killer.call("CLIENT", "KILL", address).text == "OK");
  CHECK(other.wait_closed(kPatience));
  CHECK(killer.call("CLIENT", "KILL", address).text == "ERR No such client");

  Client third = world.client();
  CHECK(third.call("PING").text == "PONG");  // it has been accepted
  CHECK(killer.call("CLIENT", "KILL", "TYPE", "normal", "USER", "default").integer == 1);
  CHECK(third.wait_closed(kPatience));
  CHECK(killer.call("CLIENT", "KILL", "ID", id_of(killer)).integer == 0);
  killer.send("CLIENT", "KILL", "ID", id_of(killer), "SKIPME", "no");
  killer.send("PING");
  CHECK(killer.read().integer == 1);
  CHECK(killer.wait_closed(kPatience));

  Client old = world.client();
  CHECK(old.call("CLIENT", "KILL", field(old.call("CLIENT", "INFO").text, "addr")).text == "OK");
  CHECK(old.wait_closed(kPatience));
}

TEST_CASE("CLIENT UNBLOCK wakes who waits in Redis, and nobody else") {
  World world;
  Client asker = world.client();
  for (int thread = 0; thread < 3; thread++) {
    Client waiter = world.client();
    const std::string id = id_of(waiter);
    CHECK(asker.call("CLIENT", "UNBLOCK", id).integer == 0);
    waiter.send("BLPOP", "list", "0");
    REQUIRE(blocked(asker, id));
    CHECK(asker.call("CLIENT", "UNBLOCK", id).integer == 1);
    waiter.read();
    CHECK(waiter.last_raw() == "*-1\r\n");
    waiter.send("XREAD", "BLOCK", "0", "STREAMS", "s", "$");
    REQUIRE(blocked(asker, id));
    CHECK(asker.call("CLIENT", "UNBLOCK", id, "ERROR").integer == 1);
    CHECK(waiter.read().text == "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    CHECK(asker.call("CLIENT", "UNBLOCK", id).integer == 0);
    CHECK(waiter.call("PING").text == "PONG");
  }
}

TEST_CASE("a pause holds the clients of the proxy, not the proxy") {
  World world;
  Client asker = world.client();
  Client writer = world.client();
  Client reader = world.client();
  Client direct(world.redis.port(), kPatience);
  direct.call("SET", "k", "1");
  const std::string id = id_of(writer);
  CHECK(asker.call("CLIENT", "PAUSE", "100000", "WRITE").text == "OK");
  writer.send("SET", "k", "2");
  CHECK(blocked(asker, id));
  CHECK(asker.call("CLIENT", "UNBLOCK", id).integer == 0);
  CHECK(reader.call("GET", "k").text == "1");
  reader.call("MULTI");
  reader.call("GET", "k");
  CHECK(reader.call("EXEC").items.size() == 1);
  // Redis itself is not paused: others write, and L1 hears of it.
  direct.call("SET", "k", "3");
  CHECK(eventually([&] { return reader.call("GET", "k").text == "3"; }));
  const std::int64_t hits = world.proxy.stat("l1_hits");
  CHECK(eventually([&] {
    reader.call("GET", "k");
    return world.proxy.stat("l1_hits") > hits;
  }));
  CHECK(asker.call("CLIENT", "UNPAUSE").text == "OK");
  CHECK(writer.read().text == "OK");
  CHECK(direct.call("GET", "k").text == "2");

  // All are held, who asked too; it ends by itself, and what was sent meanwhile is answered.
  CHECK(asker.call("CLIENT", "PAUSE", "300").text == "OK");
  asker.send("CLIENT", "UNPAUSE");
  writer.send("GET", "k");
  reader.send("PING");
  reader.send("NOSUCH");
  CHECK(reader.read().text == "PONG");
  CHECK(reader.read().is_error());
  CHECK(writer.read().text == "2");
  CHECK(asker.read().text == "OK");

  // A client that leaves meanwhile is gone.
  CHECK(asker.call("CLIENT", "PAUSE", "100000", "WRITE").text == "OK");
  writer.send("SET", "k", "9");
  CHECK(blocked(asker, id));
  writer.close();
  CHECK(eventually([&] { return line_of(asker, id).empty(); }));
  CHECK(asker.call("CLIENT", "UNPAUSE").text == "OK");
  CHECK(direct.call("GET", "k").text == "2");
}

TEST_CASE("CLIENT within a transaction speaks of the proxy's clients too") {
  World world;
  Client client = world.client();
  Client other = world.client();
  const std::string id = id_of(client);
  const std::string other_id = id_of(other);
  for (const char* version : {"2", "3"}) {
    client.call("HELLO", version);
    client.call("MULTI");
    for (const Words& words :
         {Words{"CLIENT", "ID"}, Words{"SET", "k", "v"}, Words{"CLIENT", "SETNAME", "me"},
          Words{"CLIENT", "LIST", "ID", id}, Words{"CLIENT", "KILL", "1.2.3.4:5"},
          Words{"CLIENT", "GETNAME"}, Words{"EVAL", "return redis.call('get', 'k')", "0"}}) {
      CHECK(client.call(words).text == "QUEUED");
    }
    const Value all = client.call("EXEC");
    REQUIRE(all.items.size() == 7);
    CHECK(std::to_string(all.items[0].integer) == id);
    CHECK(all.items[1].text == "OK");
    CHECK(all.items[2].text == "OK");
    CHECK(field(all.items[3].text, "id") == id);
    CHECK(all.items[4].text == "ERR No such client");
    CHECK(all.items[5].text == "me");
    CHECK(all.items[6].text == "v");
  }
  // A pause begins at the end of the transaction.
  client.call("MULTI");
  client.call("CLIENT", "PAUSE", "100000", "WRITE");
  client.call("SET", "k", "w");
  CHECK(client.call("EXEC").items.size() == 2);
  other.send("SET", "k", "x");
  CHECK(blocked(client, other_id));
  CHECK(client.call("GET", "k").text == "w");
  client.call("CLIENT", "UNPAUSE");
  CHECK(other.read().text == "OK");
  // Oneself, behind the answer.
  client.call("MULTI");
  client.call("CLIENT", "KILL", "ID", id, "SKIPME", "no");
  CHECK(client.call("EXEC").items.at(0).integer == 1);
  CHECK(client.wait_closed(kPatience));
}

TEST_CASE("invalidations are redirected by the proxy's ids") {
  World world;
  Client direct(world.redis.port(), kPatience);
  Client asker = world.client();
  for (int thread = 0; thread < 3; thread++) {
    Client listener = world.client();
    Client tracker = world.client();
    const std::string id = id_of(listener);
    tracker.call("SELECT", "0");
    CHECK(tracker.call("CLIENT", "TRACKING", "ON", "REDIRECT", id).text == "OK");
    CHECK(listener.call("SUBSCRIBE", "__redis__:invalidate").is_aggregate());
    tracker.call("GET", "tracked");
    direct.call("SET", "tracked", "1");
    const Value message = listener.read();
    REQUIRE(message.items.size() == 3);
    CHECK(message.items[0].text == "message");
    CHECK(message.items[2].items.at(0).text == "tracked");
    CHECK(std::to_string(tracker.call("CLIENT", "GETREDIR").integer) == id);
    CHECK(std::to_string(tracker.call("CLIENT", "TRACKINGINFO").find("redirect")->integer) == id);
    CHECK(field(line_of(asker, id_of(tracker)), "redir") == id);
    CHECK(field(line_of(asker, id_of(tracker)), "flags") == "t");
  }
}

TEST_CASE("a RESP3 client gets what is redirected to it, without subscribing; so does oneself") {
  World world;
  Client direct(world.redis.port(), kPatience);
  Client listener = world.client();
  Client tracker = world.client();
  listener.call("HELLO", "3");
  tracker.call("HELLO", "3");
  const std::string id = id_of(listener);
  CHECK(tracker.call("CLIENT", "TRACKING", "ON", "REDIRECT", id, "BCAST").text == "OK");
  direct.call("SET", "tracked", "1");
  CHECK(listener.read().to_string() == R"(>["invalidate", ["tracked"]])");
  CHECK(listener.call("GET", "tracked").text == "1");
  std::vector<std::string> targets;
  for (const auto& [name, value] : fields(direct.call("CLIENT", "LIST").text)) {
    if (name == "redir" && value != "-1") {
      targets.push_back(value);
    }
  }
  listener.close();
  // Redis says that the redirection is broken at the first change after it has seen that.
  REQUIRE(eventually([&] {
    return std::ranges::any_of(
        targets, [&](const std::string& target) { return line_of(direct, target).empty(); });
  }));
  direct.call("SET", "tracked", "2");
  const Value broken = tracker.read();
  REQUIRE(broken.items.size() == 2);
  CHECK(broken.items[0].text == "tracking-redir-broken");
  CHECK(std::to_string(broken.items[1].integer) == id);

  Client self = world.client();
  self.call("HELLO", "3");
  CHECK(self.call("CLIENT", "TRACKING", "ON", "REDIRECT", id_of(self), "BCAST").text == "OK");
  direct.call("SET", "other", "1");
  CHECK(self.read().to_string() == R"(>["invalidate", ["other"]])");
}

TEST_CASE("what a client library says of itself is listed") {
  World world;
  Client client = world.client();
  CHECK(client.call("CLIENT", "SETINFO", "LIB-NAME", "redis-py").text == "OK");
  CHECK(client.call("CLIENT", "SETINFO", "lib-ver", "5.0").text == "OK");
  CHECK(client.call("CLIENT", "SETINFO", "nosuch", "x").text == "ERR Unrecognized option 'nosuch'");
  const std::string line = client.call("CLIENT", "INFO").text;
  CHECK(field(line, "lib-name") == "redis-py");
  CHECK(field(line, "lib-ver") == "5.0");
}

}  // namespace tiercache::testing
