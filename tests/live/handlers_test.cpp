// Who is told of invalidations: a server of HTTP in this process, and subscribers of a real Redis.
#include "http_server.hpp"
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {
namespace {

using Asked = HttpServer::Asked;
using Reply = HttpServer::Reply;

// Some field of each object of an array, or of the only one: "..." or a number.
std::vector<std::string> fields(const std::string& json, const std::string& name) {
  std::vector<std::string> values;
  const std::string mark = "\"" + name + "\":";
  for (auto at = json.find(mark); at != std::string::npos; at = json.find(mark, at)) {
    at += mark.size();
    const bool text = json[at] == '"';
    const auto begin = at + (text ? 1 : 0);
    values.push_back(json.substr(begin, json.find_first_of(text ? "\"" : ",}", begin) - begin));
  }
  return values;
}

std::string without_when(std::string json) {
  for (const std::string name : {"id", "at"}) {
    for (const std::string& value : fields(json, name)) {
      json.replace(json.find("\"" + name + "\":" + value), name.size() + 4 + value.size(), "");
    }
  }
  return json;
}

// The server is the source of `item:*` and gets the posts.
struct World {
  std::atomic<bool> held{false};
  std::atomic<int> failures{0};  // so many posts are refused
  std::atomic<int> version{1};
  std::atomic<std::uint16_t> proxy_port{0};
  std::mutex mutex;
  std::vector<std::string> read_at_post;  // what the proxy answers while a post is being answered
  HttpServer server;
  RedisServer redis;
  TiercacheProcess proxy;
  Client client;

  explicit World(const std::string& handlers, const std::vector<std::string>& sets = {},
                 const std::vector<std::string>& redis_args = {})
      : server([this](const Asked& asked) { return answer(asked); }),
        redis(redis_args),
        proxy(redis.port(), with_threads(sets),
              "[[source]]\nname = \"api\"\nurl = \"" + server.url() +
                  "/source\"\ntimeout_ms = 60000\n"
                  "[[namespace]]\nname = \"items\"\nmatch = [\"item:*\"]\ntiers = \"l1+l2+l3\"\n"
                  "source = \"api\"\nkey = \"item:{id}\"\nquery = \"/{id}\"\n"
                  "[handlers]\nwebhook = \"" +
                  server.url() + "/hook?from=here\"\nchannel = \"gone\"\ntimeout_ms = 60000\n" +
                  handlers),
        client(proxy.port(), std::chrono::seconds(60)) {
    proxy.wait_live();
    proxy_port = proxy.port();
  }
  ~World() {
    held = false;
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  static std::vector<std::string> with_threads(std::vector<std::string> sets) {
    sets.emplace_back("threads=2");
    return sets;
  }
  Reply answer(const Asked& asked) {
    if (asked.target.starts_with("/source")) {
      return {HttpServer::reply("200 OK", "v" + std::to_string(version))};
    }
    eventually([&] { return !held; });
    if (failures.load() > 0) {
      failures--;
      return {HttpServer::reply("503 x", "not now")};
    }
    if (asked.body.find("\"value\":\"item:7\"") != std::string::npos) {
      Client reader(proxy_port, std::chrono::seconds(60));
      const std::string value = reader.call("GET", "item:7").text;
      const std::lock_guard lock(mutex);
      read_at_post.push_back(value);
    }
    return {HttpServer::reply("204 No Content", "")};
  }
  std::vector<Asked> posts() const {
    std::vector<Asked> posts;
    for (const Asked& asked : server.asked()) {
      if (asked.head.starts_with("POST")) {
        posts.push_back(asked);
      }
    }
    return posts;
  }
  // What the webhook was told, all posts together.
  std::string told() const {
    std::string all;
    for (const Asked& asked : posts()) {
      all += asked.body;
    }
    return all;
  }
  std::int64_t told_of_all() const {
    const auto scopes = fields(told(), "scope");
    return std::count(scopes.begin(), scopes.end(), "all");
  }
  // Some have been left behind, and looked at.
  void await_canaries() {
    const auto heard = proxy.stat("events_received");
    CHECK(eventually([&] { return proxy.stat("events_received") > heard + 3; }));
  }
  std::int64_t counted(const std::string& receiver, const std::string& what) {
    const Value stats = client.call("CACHE", "STATS");
    const Value* found = stats.find("handler_" + receiver);
    REQUIRE(found != nullptr);
    const std::string text = "," + found->text;
    const auto at = text.find("," + what + "=");
    REQUIRE(at != std::string::npos);
    return std::stoll(text.substr(at + what.size() + 2));
  }
  void invalidate(const std::string& key) {
    CHECK_FALSE(client.call("CACHE", "INVALIDATE", "KEY", key).is_error());
  }
};

Client subscriber(std::uint16_t port) {
  Client client(port, std::chrono::seconds(60));
  client.call("SUBSCRIBE", "gone");
  return client;
}

std::string message(Client& client) {
  return client.read().items.at(2).text;
}

}  // namespace

TEST_CASE("a webhook and a channel are told of each CACHE INVALIDATE, when it holds") {
  World world("");
  Client direct = subscriber(world.redis.port());
  Client through = subscriber(world.proxy.port());
  CHECK(eventually([&] { return world.client.call("GET", "item:7").text == "v1"; }));
  world.version = 2;
  world.invalidate("item:7");
  CHECK(eventually([&] { return world.counted("webhook", "told") == 1; }));
  CHECK(world.read_at_post == std::vector<std::string>{"v2"});
  const Asked post = world.posts().at(0);
  CHECK(post.target == "/hook?from=here");
  CHECK(post.field("Content-Type") == "application/json");
  CHECK(post.field("Host") == "127.0.0.1:" + std::to_string(world.server.port()));
  CHECK(without_when(post.body) ==
        R"([{"kind":"command","scope":"key","value":"item:7","db":0,"soft":false}])");

  world.client.call("SELECT", "2");
  world.client.call("CACHE", "INVALIDATE", "KEY", "a", "b\xff");
  world.client.call("CACHE", "INVALIDATE", "SOFT", "PREFIX", "x\":", "WAIT");
  world.client.call("CACHE", "INVALIDATE", "NAMESPACE", "items", "WAIT");
  world.client.call("CACHE", "INVALIDATE", "TAG", "id", "7", "WAIT");
  CHECK(world.client.call("CACHE", "INVALIDATE", "NAMESPACE", "none").is_error());
  CHECK(eventually([&] { return world.counted("webhook", "told") == 6; }));
  const std::vector<std::string> expected = {
      R"({"kind":"command","scope":"key","value":"item:7","db":0,"soft":false})",
      R"({"kind":"command","scope":"key","value":"a","db":2,"soft":false})",
      R"({"kind":"command","scope":"key","value_base64":"Yv8=","db":2,"soft":false})",
      R"({"kind":"command","scope":"prefix","value":"x\":","db":2,"soft":true})",
      R"({"kind":"command","scope":"namespace","value":"items","db":2,"soft":false})",
      R"({"kind":"command","scope":"tag","name":"id","value":"7","db":2,"soft":false})"};
  std::vector<std::string> ids;
  for (const std::string& json : expected) {
    const std::string heard = message(direct);
    CHECK(without_when(heard) == json);
    CHECK(message(through) == heard);
    CHECK(world.told().find(heard) != std::string::npos);
    ids.push_back(fields(heard, "id").at(0));
    CHECK(std::stoll(fields(heard, "at").at(0)) > 1'700'000'000'000);
  }
  CHECK(fields(world.told(), "id") == ids);
  for (std::size_t i = 1; i < ids.size(); i++) {
    CHECK(std::stoll(ids[i]) == std::stoll(ids[i - 1]) + 1);
  }
  CHECK(eventually([&] { return world.counted("channel", "told") == 6; }));
  for (const char* receiver : {"webhook", "channel"}) {
    CHECK(world.counted(receiver, "failed") == 0);
    CHECK(world.counted(receiver, "lost") == 0);
    CHECK(world.counted(receiver, "waiting") == 0);
  }
}

TEST_CASE("what a webhook does not take is told again, and given up at last") {
  World world("attempts = 3\nbatch = 2\n");
  world.failures = 2;
  world.invalidate("a");
  CHECK(eventually([&] { return world.counted("webhook", "told") == 1; }));
  CHECK(world.counted("webhook", "failed") == 2);
  CHECK(world.counted("webhook", "lost") == 0);
  REQUIRE(world.posts().size() == 3);
  CHECK(world.posts()[0].body == world.posts()[2].body);

  world.failures = 3;
  world.held = true;
  world.invalidate("b");
  CHECK(eventually([&] { return world.posts().size() == 4; }));
  world.invalidate("c");
  world.invalidate("d");
  world.held = false;
  CHECK(eventually([&] { return world.counted("webhook", "told") == 3; }));
  CHECK(world.counted("webhook", "failed") == 5);
  CHECK(world.counted("webhook", "lost") == 1);
  CHECK(world.counted("webhook", "waiting") == 0);
  const std::vector<Asked> posts = world.posts();
  REQUIRE(posts.size() == 8);
  CHECK(
      without_when(posts[6].body) ==
      R"([{"kind":"lost","scope":"all","lost":1},{"kind":"command","scope":"key","value":"c","db":0,"soft":false}])");
  CHECK(fields(posts[6].body, "id").at(0) == fields(posts[5].body, "id").at(0));
  CHECK(fields(posts[7].body, "value") == std::vector<std::string>{"d"});
  CHECK(world.counted("channel", "told") == 4);
  CHECK(world.proxy.log().find("the webhook is not told of invalidations: it answered 503") !=
        std::string::npos);
}

TEST_CASE("a webhook that does not answer is in nobody's way, and hears how many it has missed") {
  World world("queue = 5\nbatch = 4\n");
  world.held = true;
  world.invalidate("first");
  CHECK(eventually([&] { return world.posts().size() == 1; }));
  for (int i = 1; i <= 20; i++) {
    world.invalidate("k" + std::to_string(i));
  }
  CHECK(world.counted("webhook", "lost") == 15);
  CHECK(world.counted("webhook", "waiting") == 6);
  world.held = false;
  CHECK(eventually([&] { return world.counted("webhook", "waiting") == 0; }));
  CHECK(world.counted("webhook", "told") == 6);
  const std::vector<Asked> posts = world.posts();
  REQUIRE(posts.size() == 3);
  CHECK(fields(posts[1].body, "scope") == std::vector<std::string>{"all", "key", "key", "key"});
  CHECK(fields(posts[1].body, "lost") == std::vector<std::string>{"15"});
  CHECK(fields(posts[1].body, "value") == std::vector<std::string>{"k16", "k17", "k18"});
  CHECK(fields(posts[2].body, "value") == std::vector<std::string>{"k19", "k20"});
}

TEST_CASE("where Redis is away its channel is told afterwards, and of what was lost") {
  World world("queue = 3\nattempts = 1\n");
  world.redis.kill9();
  CHECK(eventually([&] {
    return world.client.call("CACHE", "STATS").find("event_link_state")->text == "down";
  }));
  for (int i = 1; i <= 8; i++) {
    world.invalidate("k" + std::to_string(i));
  }
  CHECK(eventually(
      [&] { return world.counted("webhook", "told") + world.counted("webhook", "lost") == 8; }));
  CHECK(world.counted("channel", "told") == 0);
  CHECK(world.counted("channel", "waiting") == 4);
  CHECK(world.counted("channel", "lost") == 4);
  world.redis.start();
  CHECK(eventually([&] { return world.counted("channel", "waiting") == 0; }));
  CHECK(world.counted("channel", "told") == 4);
  CHECK(world.counted("channel", "failed") >= 1);
  CHECK(world.counted("channel", "lost") == 4);
  Client direct = subscriber(world.redis.port());
  world.invalidate("after");
  CHECK(fields(message(direct), "value") == std::vector<std::string>{"after"});
}

TEST_CASE("what is not to be told is not, and what waits is told before the end") {
  World quiet("of = [\"notify\"]\n");
  quiet.invalidate("a");
  CHECK(quiet.counted("webhook", "told") + quiet.counted("webhook", "waiting") == 0);

  World world("batch = 1\n");
  world.held = true;
  for (const char* key : {"a", "b", "c"}) {
    world.invalidate(key);
  }
  CHECK(eventually([&] { return world.posts().size() == 1; }));
  world.proxy.signal(SIGTERM);
  CHECK(
      eventually([&] { return world.proxy.log().find("SIGTERM: stopping") != std::string::npos; }));
  world.held = false;
  CHECK(world.proxy.wait_exit(std::chrono::seconds(60)) == 0);
  CHECK(fields(world.told(), "value") == std::vector<std::string>{"a", "b", "c"});
  CHECK(world.proxy.log().find("were not told") == std::string::npos);
}

// Told of what Redis tells; with a namespace whose loads take a lease, and canaries all the time.
const std::string kOfEvents =
    "of = [\"event\"]\n[coherence]\ncanary = true\ncanary_interval_ms = 100\n"
    "[[namespace]]\nname = \"leased\"\nmatch = [\"leased:*\"]\ntiers = \"l1+l2+l3\"\n"
    "source = \"api\"\nkey = \"leased:{id}\"\nquery = \"/{id}\"\nlease = true\n";

TEST_CASE("each change of a key that Redis tells is told, whoever has changed it") {
  World world(kOfEvents);
  Client redis(world.redis.port());
  // Nobody has heard what was before.
  CHECK(eventually([&] { return !world.told().empty(); }));
  CHECK(without_when(world.posts().at(0).body) ==
        R"([{"kind":"event","scope":"all","db":null,"soft":false}])");
  Client subscribed = subscriber(world.redis.port());
  redis.call("SELECT", "3");
  redis.call("HSET", "direct", "field", "1");
  CHECK(without_when(message(subscribed)) ==
        R"({"kind":"event","scope":"key","value":"direct","db":3,"soft":false})");
  world.client.call("SET", "through", "1");
  world.client.call("GET", "leased:1");
  world.client.call("CACHE", "INVALIDATE", "KEY", "by command");
  CHECK(eventually([&] { return world.told().find("leased:1") != std::string::npos; }));
  world.await_canaries();
  redis.call("DEL", "direct");
  CHECK(eventually([&] { return fields(world.told(), "value").back() == "direct"; }));
  std::vector<std::string> values = fields(world.told(), "value");
  values.erase(std::unique(values.begin(), values.end()), values.end());
  CHECK(values == std::vector<std::string>{"direct", "through", "leased:1", "direct"});
}

TEST_CASE("a flush, and what was not heard, may have changed any key") {
  World world(kOfEvents);
  Client redis(world.redis.port());
  CHECK(eventually([&] { return world.told_of_all() == 1; }));
  world.await_canaries();
  redis.call("FLUSHALL");
  // The canaries that are gone tell it too.
  CHECK(eventually([&] { return world.told_of_all() == 3; }));
  CHECK(redis.call("CLIENT", "KILL", "TYPE", "pubsub").integer == 1);
  CHECK(eventually([&] { return world.told_of_all() == 4; }));
  redis.call("SET", "a", "1");
  CHECK(eventually([&] { return fields(world.told(), "value") == std::vector<std::string>{"a"}; }));
  CHECK(world.told_of_all() == 4);
}

TEST_CASE("a swap of dbs, of which no event tells, may have changed any key, however it shows") {
  for (const char* canary : {"true", "false"}) {
    CAPTURE(canary);
    World world("of = [\"event\"]\n[coherence]\ncanary_interval_ms = 100\ncanary = " +
                std::string(canary) + "\n");
    CHECK(eventually([&] { return world.told_of_all() == 1; }));
    if (std::string_view(canary) == "true") {
      world.await_canaries();
    }
    Client(world.redis.port()).call("SWAPDB", "0", "1");
    CHECK(eventually([&] { return world.told_of_all() == 2; }));
  }
}

TEST_CASE("where Redis gives no events its tracking tells, in which db it does not say") {
  World world(kOfEvents, {}, {"--rename-command", "CONFIG", ""});
  Client redis(world.redis.port());
  CHECK(eventually([&] {
    return world.client.call("CACHE", "STATS").find("invalidation_active")->text == "tracking";
  }));
  // By events it had connected, too, until its canary was not heard.
  CHECK(eventually([&] { return world.told_of_all() == 2; }));
  redis.call("SELECT", "3");
  redis.call("HSET", "direct", "field", "1");
  CHECK(eventually([&] { return world.told().find("direct") != std::string::npos; }));
  CHECK(without_when(world.posts().back().body) ==
        R"([{"kind":"event","scope":"key","value":"direct","db":null,"soft":false}])");
  world.client.call("SET", "through", "1");
  world.client.call("GET", "leased:1");
  CHECK(eventually([&] { return world.told().find("leased:1") != std::string::npos; }));
  world.await_canaries();
  redis.call("PEXPIRE", "direct", "200");  // and when it ends
  CHECK(eventually([&] {
    const auto values = fields(world.told(), "value");
    return std::count(values.begin(), values.end(), "direct") == 3;
  }));
  std::vector<std::string> values = fields(world.told(), "value");
  values.erase(std::unique(values.begin(), values.end()), values.end());
  CHECK(values == std::vector<std::string>{"direct", "through", "leased:1", "direct"});

  redis.call("EVAL", "for i = 1, 3 do redis.call('SET', 'thrice', i) end", "0");
  auto before = world.told_of_all();
  redis.call("FLUSHALL");
  CHECK(eventually([&] { return world.told_of_all() > before; }));
  values = fields(world.told(), "value");
  CHECK(std::count(values.begin(), values.end(), "thrice") == 1);
  world.await_canaries();
  before = world.told_of_all();
  CHECK(redis.call("CLIENT", "KILL", "TYPE", "pubsub").integer == 1);
  CHECK(eventually([&] { return world.told_of_all() >= before + 2; }));  // both ways again
  CHECK(eventually([&] {
    redis.call("SET", "a", "1");
    return fields(world.told(), "value").back() == "a";
  }));
}

TEST_CASE("of tracking's prefixes only such keys are told, of what L1 keeps or not") {
  for (const char* kept : {"true", "false"}) {
    World world(kOfEvents, {"coherence.invalidation=tracking", "coherence.tracking_prefixes=user:",
                            "l1.enabled=" + std::string(kept)});
    Client redis(world.redis.port());
    CHECK(eventually([&] { return world.told_of_all() == 1; }));
    redis.call("SET", "other:1", "1");
    redis.call("SET", "user:1", "1");
    world.client.call("SET", "other:2", "1");
    world.client.call("SET", "user:2", "1");
    CHECK(eventually([&] {
      return fields(world.told(), "value") == std::vector<std::string>{"user:1", "user:2"};
    }));
    CHECK(world.told_of_all() == 1);
  }
}

TEST_CASE("changes that never end do not keep the program from ending") {
  World world("batch = 1\nqueue = 100\n" + kOfEvents);  // slower than the changes
  const std::jthread writer([&](const std::stop_token& stop) {
    Client redis(world.redis.port());
    for (int i = 0; !stop.stop_requested(); i++) {
      redis.call("SET", "a", std::to_string(i));
    }
  });
  CHECK(eventually([&] { return world.counted("webhook", "told") > 100; }));
  world.proxy.signal(SIGTERM);
  CHECK(world.proxy.wait_exit(std::chrono::seconds(60)) == 0);
  CHECK(world.proxy.log().find("were not told") == std::string::npos);
}

TEST_CASE("what is answered and not carried out yet is told before the end, or the log says so") {
  for (const bool away : {false, true}) {
    CAPTURE(away);
    World world(std::string("[limits]\ndrain_timeout_ms = ") + (away ? "200" : "60000") + "\n");
    away ? world.redis.kill9() : world.redis.pause();
    CHECK(world.client.call("CACHE", "INVALIDATE", "NAMESPACE", "items").text == "OK");
    world.proxy.signal(SIGTERM);
    CHECK(eventually(
        [&] { return world.proxy.log().find("SIGTERM: stopping") != std::string::npos; }));
    if (!away) {
      CHECK_FALSE(world.proxy.wait_exit(std::chrono::milliseconds(100)));
      world.redis.resume();
    }
    CHECK(world.proxy.wait_exit(std::chrono::seconds(60)) == 0);
    CHECK(fields(world.told(), "value") ==
          (away ? std::vector<std::string>{} : std::vector<std::string>{"items"}));
    CHECK((world.proxy.log().find("1 invalidations are not carried out") != std::string::npos) ==
          away);
  }
}

TEST_CASE("a webhook that is away does not keep the program from ending") {
  World world("attempts = 1000\n");
  world.failures = 1'000'000;
  world.invalidate("a");
  CHECK(eventually([&] { return world.counted("webhook", "failed") >= 1; }));
  world.proxy.signal(SIGTERM);
  CHECK(world.proxy.wait_exit(std::chrono::seconds(60)) == 0);
  CHECK(world.proxy.log().find("1 invalidations were not told to the webhook") !=
        std::string::npos);
}

}  // namespace tiercache::testing
