// Two servers get the same commands, one of them through tiercache: byte for byte the same answers.
#include "client.hpp"
#include "proxy_fixture.hpp"
#include "redis_server.hpp"

#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache::testing;

namespace {

using Words = std::vector<std::string>;

class Commands {
 public:
  explicit Commands(std::uint32_t seed) : random_(seed) {
  }

  // Nothing that speaks of time or of the connection.
  Words next() {
    const std::string k = key();
    switch (pick(34)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
        return {"GET", k};
      case 6:
        return {"STRLEN", k};
      case 7:
        return {"EXISTS", k};
      case 8:
        return {"EXISTS", k, key(), k};
      case 9:
      case 10:
        return {"MGET", k, key(), key()};
      case 11:
        return {"TTL", k};
      case 12:
        return {"PTTL", "forever"};
      case 13:
      case 14:
        return {"SET", k, value()};
      case 15:
        return {"DEL", k};
      case 16:
        return {"APPEND", k, "x"};
      case 17:
        return {"INCR", k};
      case 18:
        return {"MSET", k, value(), key(), value()};
      case 19:
        return {"RENAME", k, key()};
      case 20:
        return {"RPUSH", k, value()};
      case 21:
        return {"LRANGE", k, "0", "-1"};
      case 22:
        return {"GETRANGE", k, "0", "3"};
      case 23:
        return {"COPY", k, key(), "REPLACE"};
      case 24:
        return {"EVAL", "return redis.call('set', '" + k + "', ARGV[1])", "0", value()};
      case 25:
        return {"EVAL", "return redis.call('get', KEYS[1])", "1", k};
      case 26:
        return {"GETDEL", k};
      case 27:
        return {"SELECT", std::to_string(pick(2))};
      case 28:
        return {"NOSUCH", k};
      case 29:
        return {"GET", k, "too many"};
      case 30:
        return pick(10) == 0 ? Words{"FLUSHDB"} : Words{"TYPE", k};
      case 31:
        return {"MULTI"};
      case 32:
        return pick(2) == 0 ? Words{"EXEC"} : Words{"DISCARD"};
      default:
        return pick(2) == 0 ? Words{"WATCH", k} : Words{"LPOP", k};
    }
  }
  std::uint32_t pick(std::uint32_t n) {
    return static_cast<std::uint32_t>(random_() % n);
  }

 private:
  std::string key() {
    return "k" + std::to_string(pick(6));
  }
  std::string value() {
    return pick(20) == 0 ? std::string(100000, 'L') : std::to_string(pick(1000));
  }

  std::mt19937 random_;
};

void compare(std::uint32_t seed, bool resp3, unsigned batches) {
  CAPTURE(seed);
  RedisServer plain;
  RedisServer behind;
  ProxyFixture proxy(behind.port());
  Client expected(plain.port());
  Client actual(proxy.port());
  if (resp3) {
    expected.call("HELLO", "3");
    actual.call("HELLO", "3");
  }
  Commands commands(seed);
  for (unsigned batch = 0; batch < batches; batch++) {
    std::vector<Words> sent(1 + commands.pick(12));
    for (Words& words : sent) {
      words = commands.next();
      const std::vector<std::string_view> views(words.begin(), words.end());
      expected.send(views);
      actual.send(views);
    }
    for (const Words& words : sent) {
      std::string line;
      for (const std::string& word : words) {
        line += word.substr(0, 20) + " ";
      }
      CAPTURE(line);
      expected.read();
      actual.read();
      REQUIRE(expected.last_raw() == actual.last_raw());
    }
  }
  CHECK(proxy.hits() > 0);
}

}  // namespace

TEST_CASE("a random client cannot tell tiercache from Redis, RESP2") {
  compare(1, false, 3000);
  compare(2, false, 3000);
}

TEST_CASE("a random client cannot tell tiercache from Redis, RESP3") {
  compare(3, true, 3000);
  compare(4, true, 3000);
}
