// Reads of all types through the proxy beside the same reads on Redis itself: cold, from memory,
// after writes from either side, after expiry, byte for byte in both RESP versions; and that a
// client that reads a key by different commands never sees it go back.
#include "client.hpp"
#include "command_samples.hpp"
#include "proxy_fixture.hpp"
#include "redis_server.hpp"

#include "tiercache/command/table.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::testing;

namespace {

using Words = std::vector<std::string>;

constexpr int kSamples = 10;

std::string line_of(const Words& words) {
  std::string line;
  for (const std::string& word : words) {
    line.append(line.empty() ? "" : " ").append(word);
  }
  return line;
}

// Requests that the samples, which know neither the data nor all forms, would not make.
std::vector<Words> special(const std::string& name) {
  if (name == "zrange") {
    return {{"ZRANGE", "z1", "0", "-1", "WITHSCORES"},
            {"zrange", "z1", "0", "-1", "withscores"},
            {"ZRANGE", "z1", "(1", "+inf", "BYSCORE"},
            {"ZRANGE", "z1", "+inf", "-inf", "byscore", "rev", "limit", "0", "1", "WITHSCORES"},
            {"ZRANGE", "z1", "-", "+", "BYLEX"},
            {"ZRANGE", "z1", "0", "-1", "REV"},
            {"ZRANGE", "z1", "0", "x"}};
  }
  if (name == "bitcount") {
    return {{"BITCOUNT", "s1"}, {"BITCOUNT", "s1", ""}, {"BITCOUNT", "s1", "0", "0", "BIT"}};
  }
  if (name == "getrange" || name == "substr") {
    return {{name, "s1", "0", "-1"}, {name, "s1", "0", "x"}, {name, "none1", "0", "-1"}};
  }
  if (name == "hmget") {
    return {{"HMGET", "h1", "f1", "nosuch"}, {"HMGET", "h1", "f1nosuch"}, {"HMGET", "h1", ""}};
  }
  if (name == "lpos") {
    return {{"LPOS", "l1", "a"}, {"LPOS", "l1", "nosuch"}, {"LPOS", "l1", "a", "COUNT", "0"}};
  }
  if (name == "zscore" || name == "zrank" || name == "zrevrank" || name == "zmscore") {
    return {{name, "z1", "a"}, {name, "z1", "nosuch"}, {name, "none1", "a"}};
  }
  if (name == "xrange" || name == "xrevrange") {
    return {{name, "x1", "-", "+"},
            {name, "x1", "-", "+", "COUNT", "0"}};  // nil, of each version's own
  }
  return {};
}

// A change of the key, whatever it holds.
Words change_of(Client& redis, const std::string& key, int number) {
  const std::string type = redis.call("TYPE", key).text;
  const std::string n = std::to_string(number);
  if (type == "string") {
    return {"APPEND", key, n};
  }
  if (type == "list") {
    return {"LPUSH", key, n};
  }
  if (type == "hash") {
    return {"HSET", key, "f1", n};
  }
  if (type == "set") {
    return {"SADD", key, n};
  }
  if (type == "zset") {
    return {"ZADD", key, n, "a"};
  }
  if (type == "stream") {
    return {"XADD", key, "*", "f", n};
  }
  return {"SET", key, n};
}

// One client of the proxy and one of Redis, who speak the same version.
class Pair {
 public:
  Pair(ProxyFixture& proxy, RedisServer& redis, int version)
      : proxy_(proxy), behind_(proxy.port(), kTimeout), direct_(redis.port(), kTimeout) {
    behind_.call("HELLO", std::to_string(version));
    direct_.call("HELLO", std::to_string(version));
  }

  Client& behind() {
    return behind_;
  }
  Client& direct() {
    return direct_;
  }
  // Whether both answer the same now. The elements of a set have no order: the server's own changes
  // while it rehashes.
  bool same(const Words& words) {
    Value ours = behind_.call(words);
    const std::string our_bytes = behind_.last_raw();
    Value theirs = direct_.call(words);
    if (words[0] != "smembers") {
      return our_bytes == direct_.last_raw();
    }
    std::ranges::sort(ours.items, {}, &Value::text);
    std::ranges::sort(theirs.items, {}, &Value::text);
    return ours == theirs && our_bytes.size() == direct_.last_raw().size();
  }
  // Whether it is answered from memory, and right, before long.
  bool becomes_hit(const Words& words) {
    bool right = true;
    const bool hit = ProxyFixture::eventually([&] {
      const std::uint64_t before = proxy_.hits();
      right = right && same(words);
      return !right || proxy_.hits() > before;
    });
    return right && hit;
  }

 private:
  static constexpr std::chrono::milliseconds kTimeout{60'000};

  ProxyFixture& proxy_;
  Client behind_;
  Client direct_;
};

// Clients of both RESP versions share what L1 holds. `one` reads first.
void check_sample(Pair& one, Pair& other, ProxyFixture& proxy, const Words& words, int number) {
  const std::string key = words.at(1);
  REQUIRE(one.same(words));  // cold
  if (one.behind().last_raw().starts_with('-')) {
    const std::uint64_t before = proxy.hits();
    REQUIRE(one.same(words));
    REQUIRE(other.same(words));
    REQUIRE(proxy.hits() == before);
    return;
  }
  REQUIRE(one.becomes_hit(words));
  REQUIRE(other.same(words));
  REQUIRE(other.becomes_hit(words));
  REQUIRE(one.same(words));
  one.behind().call(change_of(one.direct(), key, number));
  REQUIRE(one.same(words));
  REQUIRE(other.same(words));
  one.direct().call(change_of(one.direct(), key, number + 1));
  REQUIRE(ProxyFixture::eventually([&] { return one.same(words); }));
  REQUIRE(one.same(words));
  REQUIRE(other.same(words));
}

// The proxy must have forgotten what Redis has let expire.
void check_expiry(Pair& one, Pair& other, const Words& words) {
  const std::string key = words.at(1);
  one.direct().call("PEXPIRE", key, "60");
  one.behind().call(words);
  other.behind().call(words);
  REQUIRE(ProxyFixture::eventually([&] { return one.direct().call("EXISTS", key).integer == 0; }));
  REQUIRE(one.same(words));
  REQUIRE(other.same(words));
  REQUIRE(one.same(words));
}

std::vector<Words> requests(CommandSamples& samples, const std::string& name) {
  std::vector<Words> all = special(name);
  for (int i = 0; i < kSamples; i++) {
    all.push_back(samples.make(name));
    if (name == "exists") {
      all.back().resize(2);
    }
  }
  return all;
}

// A number that each of these replies shows; the highest if there are several.
std::int64_t number_in(const Value& value) {
  if (value.is_aggregate()) {
    std::int64_t highest = -1;
    for (const Value& item : value.items) {
      highest = std::max(highest, number_in(item));
    }
    return highest;
  }
  if (value.text.empty() || value.text.find_first_not_of("0123456789") != std::string::npos) {
    return value.type == Value::Type::integer ? value.integer : -1;
  }
  return std::stoll(value.text);
}

// Reads of one key that all show the number which the last write put there.
const std::vector<std::vector<Words>>& families() {
  static const std::vector<std::vector<Words>> all = {
      {{"HGET", "h", "a"},
       {"HGET", "h", "b"},
       {"HGETALL", "h"},
       {"HMGET", "h", "b", "a"},
       {"HVALS", "h"}},
      {{"ZSCORE", "z", "m"}, {"ZRANGE", "z", "0", "-1", "WITHSCORES"}, {"ZMSCORE", "z", "m"}},
      {{"GET", "s"}, {"GETRANGE", "s", "0", "-1"}, {"SUBSTR", "s", "0", "100"}, {"MGET", "s"}},
      {{"LRANGE", "l", "0", "-1"}, {"LINDEX", "l", "0"}, {"LLEN", "l"}},
  };
  return all;
}

void write_number(Client& client, int number) {
  const std::string n = std::to_string(number);
  client.send("HSET", "h", "a", n, "b", n);
  client.send("ZADD", "z", n, "m");
  client.send("SET", "s", n);
  client.send("LPUSH", "l", n);
  for (int i = 0; i < 4; i++) {
    client.read();
  }
}

// Reads in small pipelines, each by any of the commands; what went back, or nothing.
std::string read_along(std::uint16_t port, int seed, std::atomic<int>& batches) {
  constexpr int kBatches = 600;
  try {
    Client client(port, std::chrono::seconds(60));
    client.call("HELLO", seed % 2 == 0 ? "2" : "3");
    std::mt19937 random(static_cast<std::uint32_t>(seed));
    std::vector<std::int64_t> seen(families().size(), 0);
    for (int batch = 0; batch < kBatches; batch++) {
      std::vector<std::pair<std::size_t, const Words*>> sent;
      for (std::size_t n = 1 + random() % 4; n > 0; n--) {
        const std::size_t family = random() % families().size();
        const std::vector<Words>& reads = families()[family];
        sent.emplace_back(family, &reads[random() % reads.size()]);
        client.send(*sent.back().second);
      }
      for (const auto& [family, words] : sent) {
        const std::int64_t number = number_in(client.read());
        if (number < seen[family]) {
          return line_of(*words) + ": " + std::to_string(number) + " after " +
                 std::to_string(seen[family]);
        }
        seen[family] = number;
      }
      batches++;
    }
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("every read that L1 keeps answers as Redis does, in both RESP versions") {
  RedisServer redis;
  ProxyFixture proxy(redis.port());
  Pair resp2(proxy, redis, 2);
  Pair resp3(proxy, redis, 3);
  Client plain(redis.port());
  CommandSamples samples(plain, 20);
  int number = 0;
  for (const command::Command& command : command::Table::builtin()->commands()) {
    if (command.kind != command::Kind::cacheable_read) {
      continue;
    }
    samples.populate(plain);
    const std::vector<Words> all = requests(samples, std::string(command.name));
    const Words* fine = nullptr;
    for (const Words& words : all) {
      const std::string line = line_of(words);
      CAPTURE(line);
      const bool swapped = number % 4 == 0;
      check_sample(swapped ? resp3 : resp2, swapped ? resp2 : resp3, proxy, words, number += 2);
      fine = resp2.behind().last_raw().starts_with('-') ? fine : &words;
    }
    REQUIRE(fine != nullptr);
    const std::string line = line_of(*fine);
    CAPTURE(line);
    check_expiry(resp2, resp3, *fine);
  }
}

TEST_CASE("a key read by different commands never goes back for a client") {
  RedisServer redis;
  ProxyFixture proxy(redis.port(), {2, true, {}});
  Client writer(redis.port(), std::chrono::seconds(60));
  int written = 1;
  write_number(writer, written);

  constexpr int kClients = 4;
  std::atomic<int> batches{0};
  std::atomic<int> running{kClients};
  std::vector<std::string> complaints(kClients);
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; i++) {
    threads.emplace_back([&, i] {
      complaints[static_cast<std::size_t>(i)] = read_along(proxy.port(), i, batches);
      running--;
    });
  }
  // So seldom that there are hits in between.
  for (int due = 8; running > 0;) {
    if (batches >= due) {
      write_number(writer, ++written);
      due += 8;
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const std::string& complaint : complaints) {
    CHECK(complaint == "");
  }
  CHECK(proxy.hits() > 0);
}
