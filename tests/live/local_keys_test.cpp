// Keys that live in the proxy alone, through the real program: what Redis would answer is what a
// plain Redis beside it answers to the same commands.
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

constexpr const char* kNamespaces =
    "[[namespace]]\nname = \"own\"\nmatch = [\"l:*\"]\ntiers = \"l1\"\n"
    "[[namespace]]\nname = \"brief\"\nmatch = [\"b:*\"]\ntiers = \"l1\"\nttl_ms = 60000\n"
    "[[namespace]]\nname = \"small\"\nmatch = [\"s:*\"]\ntiers = \"l1\"\nmax_memory = \"128kb\"\n"
    "max_value = 1000\n";

struct World {
  RedisServer redis;
  TiercacheProcess proxy;
  Client client;

  World() : proxy(redis.port(), {"threads=2"}, kNamespaces), client(proxy.port()) {
    proxy.wait_live();
  }
  std::string line(const std::string& space) {
    return client.call("CACHE", "STATS").find("namespace_" + space)->text;
  }
  std::int64_t counted(const std::string& space, const std::string& what) {
    const std::string text = "," + line(space);
    const auto at = text.find("," + what + "=");
    REQUIRE(at != std::string::npos);
    return std::stoll(text.substr(at + what.size() + 2));
  }
};

using Words = std::vector<std::string>;

// Commands as somebody may send them, right and wrong.
class Commands {
 public:
  explicit Commands(unsigned seed) : random_(seed) {
  }
  Words next() {
    const std::string verb =
        one({"SET",    "SET",     "SET",      "GET",       "DEL",     "UNLINK", "EXISTS",
             "EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT", "PERSIST", "TTL",    "PTTL",
             "MGET",   "MSET",    "SETNX",    "SETEX",     "PSETEX",  "INCR",   "DECR",
             "INCRBY", "DECRBY",  "GETDEL",   "GETEX",     "GETEX",   "get",    "sEt"});
    Words words{verb, key()};
    const auto is = [&](const char* name) {
      return verb == name;
    };
    if (is("SET") || is("sEt") || is("GETEX")) {
      if (!is("GETEX")) {
        words.push_back(value());
      }
      for (int i = pick(4); i > 0; i--) {
        option(words);
      }
    } else if (is("SETNX")) {
      words.push_back(value());
    } else if (is("SETEX") || is("PSETEX")) {
      words.insert(words.end(), {time(), value()});
    } else if (is("EXPIRE") || is("PEXPIRE") || is("EXPIREAT") || is("PEXPIREAT")) {
      words.push_back(verb.ends_with("AT") ? moment(is("EXPIREAT")) : time());
      for (int i = pick(3); i > 0; i--) {
        // How a relative time compares with the same one given before is a matter of when.
        words.push_back(verb.ends_with("AT") ? one({"NX", "XX", "GT", "LT", "gt", "ZZ"})
                                             : one({"NX", "XX", "nx", "ZZ"}));
      }
    } else if (is("INCRBY") || is("DECRBY")) {
      words.push_back(one({"1", "-7", "x", "9223372036854775807", "-9223372036854775808", "01"}));
    } else if (is("MSET")) {
      words.push_back(value());
      for (int i = pick(3); i > 0; i--) {
        words.insert(words.end(), {key(), value()});
      }
    } else if (is("MGET") || is("DEL") || is("UNLINK") || is("EXISTS")) {
      for (int i = pick(4); i > 0; i--) {
        words.push_back(key());
      }
    }
    return words;
  }

 private:
  int pick(int below) {
    return std::uniform_int_distribution<int>(0, below - 1)(random_);
  }
  std::string one(std::vector<std::string> of) {
    return of[static_cast<std::size_t>(pick(static_cast<int>(of.size())))];
  }
  std::string key() {
    return one({"l:0", "l:1", "l:2", "l:"});
  }
  std::string value() {
    return one({"", "v", "5", "-3", "9223372036854775807", "-9223372036854775808", "007", " 5",
                std::string("\r\n$-1\r\n\0x", 9), std::string(5000, 'x')});
  }
  std::string time() {
    return one({"800000000", "900000000", "0", "-1", "x", "9223372036854775807", "01"});
  }
  // Seconds or milliseconds since 1970.
  std::string moment(bool seconds) {
    return one({seconds ? "9000000000" : "9000000000000", seconds ? "9100000000" : "9100000000000",
                "1", "0", "-1", "y"});
  }
  void option(Words& words) {
    const std::string name = one(
        {"NX", "XX", "GET", "KEEPTTL", "PERSIST", "EX", "PX", "EXAT", "PXAT", "ex", "nx", "QQ"});
    words.push_back(name);
    if (name == "EX" || name == "PX" || name == "ex") {
      words.push_back(time());
    } else if (name == "EXAT" || name == "PXAT") {
      words.push_back(moment(name == "EXAT"));
    }
  }

  std::mt19937 random_;
};

std::string shown(const Words& words) {
  std::string text;
  for (const std::string& word : words) {
    text += word.substr(0, 30) + " ";
  }
  return text;
}

}  // namespace

TEST_CASE("the answers are Redis's own, byte for byte") {
  World world;
  RedisServer plain;
  Client direct(plain.port());
  for (const char* version : {"2", "3"}) {
    world.client.call("HELLO", version);
    direct.call("HELLO", version);
    Commands commands(static_cast<unsigned>(std::stoul(version)));
    for (int i = 0; i < 20'000; i++) {
      const Words words = commands.next();
      CAPTURE(i);
      INFO(shown(words));
      const Value ours = world.client.call(words);
      const Value theirs = direct.call(words);
      const bool time = words[0] == "TTL" || words[0] == "PTTL";
      if (time && theirs.integer > 0) {
        // The two were asked at different moments.
        REQUIRE(std::abs(ours.integer - theirs.integer) <= (words[0] == "TTL" ? 60 : 60'000));
      } else {
        REQUIRE(world.client.last_raw() == direct.last_raw());
      }
    }
  }
  Client upstream(world.redis.port());
  CHECK(upstream.call("KEYS", "l:*").items.empty());
}

TEST_CASE("pipelined with requests to Redis, the answers keep their order") {
  World world;
  for (int i = 0; i < 200; i++) {
    const std::string n = std::to_string(i);
    world.client.send("SET", "l:" + n, n);
    world.client.send("SET", "r:" + n, n);
    world.client.send("GET", "l:" + n);
    world.client.send("GET", "r:" + n);
  }
  for (int i = 0; i < 200; i++) {
    CHECK(world.client.read().text == "OK");
    CHECK(world.client.read().text == "OK");
    CHECK(world.client.read().text == std::to_string(i));
    CHECK(world.client.read().text == std::to_string(i));
  }
}

TEST_CASE("what such keys do not have is refused, and the error names the namespace") {
  World world;
  Client upstream(world.redis.port());
  const auto error = [&](const Words& words) {
    return world.client.call(words).text;
  };
  CHECK(error({"HSET", "l:h", "f", "v"}) ==
        "ERR tiercache: 'hset' is not for keys of namespace 'own', which live in the proxy alone");
  CHECK(error({"EVAL", "return 1", "1", "l:h"}).find("namespace 'own'") != std::string::npos);
  CHECK(error({"WATCH", "l:h"}).find("'watch' is not for") != std::string::npos);
  CHECK(error({"STRLEN", "l:h"}).find("'strlen' is not for") != std::string::npos);
  CHECK(error({"BLPOP", "l:h", "1"}).find("'blpop' is not for") != std::string::npos);
  CHECK(error({"MGET", "r:1", "l:h"}) ==
        "ERR tiercache: 'mget' names keys of namespace 'own', which live in the proxy alone, "
        "together with keys of Redis");
  CHECK(error({"DEL", "l:h", "r:1"}).find("together with keys of Redis") != std::string::npos);
  CHECK(error({"RENAME", "r:1", "l:h"}).find("'rename' is not for") != std::string::npos);
  // Of two such namespaces it is one command.
  CHECK(world.client.call("MSET", "l:1", "a", "b:1", "b").text == "OK");
  CHECK(world.client.call("MGET", "b:1", "l:1", "l:2").items[1].text == "a");
  CHECK(world.client.call("DEL", "b:1", "l:1").integer == 2);
  CHECK(upstream.call("KEYS", "[lbr]:*").items.empty());
  // A number of arguments that is wrong is Redis's to say.
  CHECK(error({"GET"}).starts_with("ERR wrong number of arguments"));
}

TEST_CASE("a transaction with such a key is aborted") {
  World world;
  CHECK(world.client.call("MULTI").text == "OK");
  CHECK(world.client.call("SET", "r:1", "v").text == "QUEUED");
  CHECK(world.client.call("SET", "l:1", "v").text ==
        "ERR tiercache: keys that live in the proxy alone have no part in transactions");
  CHECK(world.client.call("EXEC").text.starts_with("EXECABORT"));
  CHECK(world.client.call("GET", "r:1").is_nil());
  CHECK(world.client.call("GET", "l:1").is_nil());
  // On a connection of its own, but not in a transaction.
  CHECK(world.client.call("WATCH", "r:1").text == "OK");
  CHECK(world.client.call("SET", "l:1", "v").text == "OK");
  CHECK(world.client.call("GET", "l:1").text == "v");
  CHECK(world.client.call("HGET", "l:1", "f").text.find("'hget' is not for") != std::string::npos);
  CHECK(world.client.call("UNWATCH").text == "OK");
  CHECK(world.client.call("GET", "l:1").text == "v");
}

TEST_CASE("each db has its own, and a flush of Redis's empties them") {
  World world;
  world.client.call("SET", "l:1", "zero");
  CHECK(world.client.call("SELECT", "1").text == "OK");
  CHECK(world.client.call("GET", "l:1").is_nil());
  world.client.call("SET", "l:1", "one");
  CHECK(world.client.call("FLUSHDB").text == "OK");
  CHECK(world.client.call("GET", "l:1").is_nil());
  world.client.call("SELECT", "0");
  CHECK(world.client.call("GET", "l:1").text == "zero");
  CHECK(world.client.call("FLUSHALL", "wrong").is_error());
  CHECK(world.client.call("CACHE", "FLUSH").is_error() == false);
  CHECK(world.client.call("GET", "l:1").text == "zero");
  world.client.call("MULTI");
  world.client.call("FLUSHALL");
  CHECK(world.client.call("EXEC").items.size() == 1);
  CHECK(world.client.call("GET", "l:1").is_nil());
}

TEST_CASE("they are there while Redis is not") {
  World world;
  world.client.call("SET", "l:1", "v");
  world.redis.kill9();
  CHECK(eventually([&] { return world.client.call("GET", "r:1").is_error(); }));
  CHECK(world.client.call("GET", "l:1").text == "v");
  CHECK(world.client.call("INCR", "l:n").integer == 1);
  Client another(world.proxy.port());
  CHECK(another.call("GET", "l:1").text == "v");
}

TEST_CASE("who may not do everything in Redis may do nothing with them") {
  World world;
  world.client.call("ACL", "SETUSER", "reader", "on", "nopass", "~*", "+@read", "+@connection");
  world.client.call("ACL", "SETUSER", "owner", "on", "nopass", "~*", "+@all");
  world.client.call("SET", "l:1", "v");
  Client client(world.proxy.port());
  CHECK(client.call("AUTH", "reader", "x").text == "OK");
  CHECK(eventually([&] { return client.call("GET", "l:1").is_error(); }));
  CHECK(client.call("GET", "l:1").text ==
        "NOPERM tiercache: keys of namespace 'own', which live in the proxy alone, are for users "
        "who may do everything");
  CHECK(client.call("AUTH", "owner", "x").text == "OK");
  CHECK(eventually([&] { return client.call("GET", "l:1").text == "v"; }));
}

TEST_CASE("a namespace's limits hold") {
  World world;
  CHECK(world.client.call("SET", "s:1", std::string(1001, 'x')).text ==
        "ERR tiercache: namespace 'small' keeps values of at most 1000 bytes");
  world.client.call("SET", "l:other", "v");
  for (int i = 0; i < 1000; i++) {
    CHECK(world.client.call("SET", "s:" + std::to_string(i), std::string(1000, 'x')).text == "OK");
  }
  CHECK(world.counted("small", "evictions") > 800);
  CHECK(world.counted("small", "bytes") <= 128 * 1024);
  CHECK(world.counted("small", "entries") > 0);
  CHECK(world.counted("own", "evictions") == 0);
  CHECK(world.client.call("GET", "l:other").text == "v");
  CHECK(world.client.call("GET", "s:999").text.size() == 1000);
  // The namespace's TTL stands for none and before a longer one.
  world.client.call("SET", "b:1", "v");
  CHECK(world.client.call("PTTL", "b:1").integer <= 60'000);
  CHECK(world.client.call("PTTL", "b:1").integer > 0);
  world.client.call("SET", "b:1", "v", "EX", "1000");
  CHECK(world.client.call("TTL", "b:1").integer <= 60);
  CHECK(world.client.call("EXPIRE", "b:1", "1000").integer == 1);
  CHECK(world.client.call("TTL", "b:1").integer <= 60);
  CHECK(world.client.call("PERSIST", "b:1").integer == 1);
  CHECK(world.client.call("PTTL", "b:1").integer > 0);
  const Value explained = world.client.call("CACHE", "EXPLAIN", "b:1");
  CHECK(explained.find("namespace")->text == "brief");
  CHECK(explained.find("ttl_ms")->integer == 60'000);
  CHECK(explained.find("l1_entries")->integer == 1);
  CHECK(explained.find("max_memory")->integer == 64 * 1024 * 1024);
}

}  // namespace tiercache::testing
