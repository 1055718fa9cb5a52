// Over a Redis Cluster: a client that subscribes to keyspace events hears of the keys of all
// masters, each change once, and of what is published once too.
#include "cluster_proxied.hpp"
#include "cluster_world.hpp"

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

void tell_all_events(ClusterWorld& world, std::size_t from = 0) {
  for (std::size_t i = from; i < world.size(); i++) {
    REQUIRE(Client(world.server(i).port())
                .call("CONFIG", "SET", "notify-keyspace-events", "KEA")
                .text == "OK");
  }
}

// A client and what it has heard: "channel payload", how often.
class Listener {
 public:
  Listener(Proxied& proxied, int version) : client_(proxied.client()) {
    if (version == 3) {
      REQUIRE(!client_.call("HELLO", "3").is_error());
    }
  }
  template <class... Args>
  Value call(const Args&... args) {
    client_.send(args...);
    return answer();
  }
  // The next frame that is no message.
  Value answer() {
    for (;;) {
      const Value value = client_.read();
      if (!note(value)) {
        return value;
      }
    }
  }
  void subscribe(const std::string& command, const std::vector<std::string>& names) {
    std::vector<std::string> words{command};
    words.insert(words.end(), names.begin(), names.end());
    client_.send(words);
    for (const std::string& name : names) {
      const Value confirmed = answer();
      REQUIRE(confirmed.items.size() == 3);
      CHECK(confirmed.items[1].text == name);
    }
  }
  // All that was told before this message, which is published until it is heard: what other nodes
  // tell has no order with it, so the caller names events of each node that come last.
  void hear_until(const std::vector<std::string>& last) {
    for (const std::string& one : last) {
      while (heard[one] == 0) {
        note(client_.read());
      }
    }
  }

  std::map<std::string, int> heard;

 private:
  bool note(const Value& value) {
    if (value.items.size() < 3) {
      return false;
    }
    const std::string& kind = value.items[0].text;
    if (kind == "pmessage" && value.items.size() == 4) {
      heard[value.items[2].text + " " + value.items[3].text]++;
      return true;
    }
    if (kind == "message") {
      heard[value.items[1].text + " " + value.items[2].text]++;
      return true;
    }
    return false;
  }

  Client client_;
};

std::string event(const std::string& key, const std::string& what) {
  return "__keyspace@0__:" + key + " " + what;
}

// Where a client is that has subscribed in RESP3: which master has no order that a test could know.
template <class Subscriber>
std::size_t master_of(ClusterWorld& world, Subscriber& client) {
  for (std::size_t master = 0; master < 3; master++) {
    if (!client.call("GET", key_on(world, master, "none:")).is_error()) {
      return master;
    }
  }
  throw std::runtime_error("the client is nowhere");
}

// Each master's link brings things in order: behind these all earlier ones have come.
std::vector<std::string> mark(ClusterWorld& world, const std::string& name) {
  std::vector<std::string> marks;
  for (std::size_t master = 0; master < 3; master++) {
    const std::string key = key_on(world, master, name);
    world.direct(key).call("SET", key, "1");
    marks.push_back(event(key, "set"));
  }
  return marks;
}

}  // namespace

TEST_CASE("events of all masters come, each once, in both versions") {
  ClusterWorld world;
  tell_all_events(world);
  Proxied proxied(world);
  Client writer = proxied.client();
  for (const int version : {2, 3}) {
    CAPTURE(version);
    const std::string prefix = "v" + std::to_string(version) + ":";
    Listener listener(proxied, version);
    listener.subscribe("PSUBSCRIBE", {"__keyspace@0__:" + prefix + "*"});
    std::vector<std::string> keys;
    for (int i = 0; i < 60; i++) {
      keys.push_back(prefix + std::to_string(i));
      writer.call("SET", keys.back(), "1");
      world.direct(keys.back()).call("DEL", keys.back());
    }
    listener.hear_until(mark(world, prefix + "mark:"));
    for (const std::string& key : keys) {
      CAPTURE(key);
      CHECK(listener.heard[event(key, "set")] == 1);
      CHECK(listener.heard[event(key, "del")] == 1);
    }
    // By event, and an exact channel; other channels go on as ever.
    listener.subscribe("SUBSCRIBE",
                       {"__keyevent@0__:set", "news", "__keyspace@0__:" + prefix + "x"});
    listener.heard.clear();
    for (const std::string& key : keys) {
      writer.call("SET", key, "1");
    }
    CHECK(writer.call("PUBLISH", "news", "hello").integer >= 0);
    writer.call("SET", prefix + "x", "1");
    listener.hear_until(mark(world, prefix + "second:"));
    listener.hear_until({"news hello"});
    for (const std::string& key : keys) {
      CHECK(listener.heard[event(key, "set")] == 1);
      CHECK(listener.heard["__keyevent@0__:set " + key] == 1);
    }
    CHECK(listener.heard["news hello"] == 1);
    CHECK(listener.heard[event(prefix + "x", "set")] == 2);  // by channel, and by pattern
    // Nothing of what it has left.
    listener.subscribe("UNSUBSCRIBE", {"__keyevent@0__:set"});
    listener.heard.clear();
    writer.call("SET", keys[0], "2");
    listener.hear_until(mark(world, prefix + "third:"));
    CHECK(listener.heard[event(keys[0], "set")] == 1);
    CHECK(listener.heard["__keyevent@0__:set " + keys[0]] == 0);
  }
}

TEST_CASE("a pattern that matches everything: events of all masters, publications once") {
  ClusterWorld world;
  tell_all_events(world);
  Proxied proxied(world);
  Client writer = proxied.client();
  Listener listener(proxied, 3);
  listener.subscribe("PSUBSCRIBE", {"*"});
  std::vector<std::string> keys;
  for (int i = 0; i < 30; i++) {
    keys.push_back("all:" + std::to_string(i));
    writer.call("SET", keys.back(), "1");
    writer.call("PUBLISH", "news", keys.back());
    // What looks like an event, by a client, at any node.
    Client(world.server(static_cast<std::size_t>(i) % 3).port())
        .call("PUBLISH", "__keyspace@0__:" + keys.back(), "said");
    writer.call("PUBLISH", "__keyspace@0__:odd", keys.back());
    writer.call("PUBLISH", "__keyspace@odd", keys.back());
  }
  std::vector<std::string> last = mark(world, "all-mark:");
  for (const std::string& key : keys) {
    last.push_back("news " + key);
    last.push_back(event(key, "said"));
    last.push_back("__keyspace@0__:odd " + key);
    last.push_back("__keyspace@odd " + key);
  }
  listener.hear_until(last);
  // One more turn of everything, behind which no second copy can be.
  for (std::size_t from = 0; from < 3; from++) {
    Client(world.server(from).port()).call("PUBLISH", "news", "end" + std::to_string(from));
    listener.hear_until({"news end" + std::to_string(from)});
  }
  listener.hear_until(mark(world, "all-end:"));
  for (const std::string& key : keys) {
    CAPTURE(key);
    CHECK(listener.heard[event(key, "set")] == 1);
    CHECK(listener.heard["__keyevent@0__:set " + key] == 1);
    CHECK(listener.heard["news " + key] == 1);
    CHECK(listener.heard[event(key, "said")] == 1);
    CHECK(listener.heard["__keyspace@0__:odd " + key] == 1);
    CHECK(listener.heard["__keyspace@odd " + key] == 1);
  }
}

TEST_CASE("pipelined, reset, refused: replies are counted right, and links end with their client") {
  ClusterWorld world;
  tell_all_events(world);
  Proxied proxied(world);
  const auto clients_of = [&](std::size_t master) {
    const std::string info = Client(world.server(master).port()).call("CLIENT", "LIST").text;
    std::size_t count = 0;
    for (std::size_t at = info.find(" psub=1 "); at != std::string::npos;
         at = info.find(" psub=1 ", at + 1)) {
      count++;
    }
    return count;
  };
  const std::size_t before = clients_of(2);  // the proxy's own
  {
    Client client = proxied.client();
    CHECK(!client.call("HELLO", "3").is_error());
    client.send("PSUBSCRIBE", "__keyspace@*__:p*", "other*", "__keyevent@*__:expired");
    client.send("PING", "a");
    client.send("PSUBSCRIBE");
    client.send("SUBSCRIBE", "plain");
    client.send("PING", "b");
    CHECK(client.read().items.at(2).integer == 1);
    CHECK(client.read().items.at(2).integer == 2);
    CHECK(client.read().items.at(2).integer == 3);
    CHECK(client.read().text == "a");
    CHECK(client.read().is_error());
    CHECK(client.read().items.at(2).integer == 4);
    CHECK(client.read().text == "b");
    const std::string key = key_on(world, master_of(world, client), "none:");
    client.send("PUNSUBSCRIBE");
    for (int i = 0; i < 3; i++) {
      CHECK(client.read().items.at(0).text == "punsubscribe");
    }
    CHECK(client.call("UNSUBSCRIBE", "plain").items.at(2).integer == 0);
    CHECK(client.call("SET", key, "v").text == "OK");
    client.send("PSUBSCRIBE", "__keyspace@0__:*");
    CHECK(client.read().items.at(2).integer == 1);
    CHECK(eventually([&] { return clients_of(2) == before + 1; }));
    CHECK(client.call("RESET").text == "RESET");
    CHECK(eventually([&] { return clients_of(2) == before; }));
    CHECK(client.call("GET", key).text == "v");
    client.send("PSUBSCRIBE", "__keyspace@0__:*");
    CHECK(client.read().items.at(2).integer == 1);
    CHECK(eventually([&] { return clients_of(2) == before + 1; }));
    client.send("QUIT");
    CHECK(client.read().text == "OK");
  }
  CHECK(eventually([&] { return clients_of(2) == before; }));
}

TEST_CASE("slots move, nodes join and are lost and come back: events go on") {
  ClusterWorld world;
  tell_all_events(world);
  Proxied proxied(world, {"upstream.reconnect_max_ms=200"});
  Listener listener(proxied, 3);
  listener.subscribe("PSUBSCRIBE", {"__keyspace@0__:m:*"});
  // Told until it is heard, since what happens while a link is made anew is not told.
  const auto comes = [&](const std::string& key) {
    listener.heard.clear();
    for (int i = 0; i < 200 && listener.heard[event(key, "set")] == 0; i++) {
      Client direct = world.direct(key);
      direct.call("SET", key, "1");
      CHECK(listener.call("PING", "x").text == "x");
      CHECK(listener.call("PING", "x").text == "x");
    }
    return listener.heard[event(key, "set")] > 0;
  };
  const std::string moving = key_on(world, 0, "m:");
  CHECK(eventually([&] { return comes(moving); }));
  world.move(world.slot(moving), 1);
  CHECK(eventually([&] { return comes(moving); }));
  const std::size_t added = world.add();
  tell_all_events(world, added);
  world.move(world.slot(moving), added);
  CHECK(eventually([&] { return comes(moving); }));
  // Heard once again, now that all is still.
  world.wait_agreed();
  listener.heard.clear();
  world.direct(moving).call("RPUSH", "{" + moving + "}l", "1");
  world.direct(moving).call("SET", moving, "2");
  CHECK(eventually([&] {
    CHECK(listener.call("PING", "x").text == "x");
    return listener.heard[event(moving, "set")] > 0;
  }));
  CHECK(listener.heard[event(moving, "set")] == 1);
  // The client is on one node; it outlives the loss of another.
  const std::size_t another = master_of(world, listener) == 2 ? 1 : 2;
  const std::string lost = key_on(world, another, "m:");
  CHECK(eventually([&] { return comes(lost); }));
  world.server(another).kill9();
  CHECK(eventually([&] { return comes(moving); }));
  world.server(another).start();
  tell_all_events(world, another);
  CHECK(eventually([&] { return comes(lost); }));
}

TEST_CASE("where a node has no room for one more connection its events come once there is") {
  ClusterWorld world;
  tell_all_events(world);
  Proxied proxied(world, {"threads=1", "upstream.max_connections=8"});
  Listener listener(proxied, 3);
  listener.subscribe("PSUBSCRIBE", {"news"});
  const std::size_t full = master_of(world, listener) == 2 ? 1 : 2;
  const std::string key = key_on(world, full);
  std::vector<Client> holders;
  do {
    holders.push_back(proxied.client());
    CHECK(holders.back().call("MULTI").text == "OK");
  } while (!holders.back().call("SET", key, "1").is_error());
  listener.subscribe("PSUBSCRIBE", {"__keyspace@0__:*"});
  // It is tried again, and other nodes tell.
  const std::int64_t refused = proxied.proxy.stat("l2_links_refused");
  CHECK(eventually([&] { return proxied.proxy.stat("l2_links_refused") > refused; }));
  const std::string elsewhere = key_on(world, 0);
  world.direct(elsewhere).call("SET", elsewhere, "1");
  listener.hear_until({event(elsewhere, "set")});
  holders.clear();
  CHECK(eventually([&] {
    world.direct(key).call("SET", key, "1");
    CHECK(listener.call("PING", "x").text == "x");
    return listener.heard[event(key, "set")] > 0;
  }));
}

TEST_CASE("handlers are told of the changes on all masters") {
  ClusterWorld world;
  Proxied proxied(world, {"handlers.channel=told", "handlers.of=event"});
  Client told = proxied.client();
  // Each master is heard: that anything may have changed before is told.
  REQUIRE(eventually([&] {
    const std::string line = told.call("CACHE", "STATS").find("handler_channel")->text;
    return std::stoul(line.substr(std::string("told=").size())) >= world.size();
  }));
  told.call("SUBSCRIBE", "told");
  std::vector<std::string> untold;
  for (std::size_t i = 0; i < world.size(); i++) {
    const std::string key = key_on(world, i);
    CHECK(Client(world.server(i).port()).call("SET", key, "1").text == "OK");
    untold.push_back(R"("kind":"event","scope":"key","value":")" + key + R"(","db":0)");
  }
  while (!untold.empty()) {
    const std::string notice = told.read().items.at(2).text;
    std::erase_if(untold,
                  [&](const std::string& one) { return notice.find(one) != std::string::npos; });
  }
}

}  // namespace tiercache::testing
