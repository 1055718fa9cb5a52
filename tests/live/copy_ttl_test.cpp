// How long Redis keeps what a source has, as it was written through and as it was loaded.
#include "sources_world.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {

namespace {

std::string space(const std::string& name, const std::string& more) {
  return "[[namespace]]\nname = \"" + name + "\"\nmatch = [\"" + name +
         ":*\"]\ntiers = \"l1+l2+l3\"\nsource = \"db\"\nkey = \"" + name +
         ":{id:int}\"\nquery = \"select doc from t where id = :id\"\n"
         "strategy = \"write-through\"\nwrite = \"insert into t values (:id, :value) on conflict "
         "(id) do update set doc = :value\"\nl2_ttl_ms = 60000\n" +
         more;
}

struct World {
  RedisServer redis;
  Database database{redis.directory() / "test.db"};
  TiercacheProcess proxy{redis.port(),
                         {"threads=2"},
                         "[[source]]\nname = \"db\"\npath = \"" + database.path().string() +
                             "\"\ntimeout_ms = 60000\n" + space("doc", "") +
                             space("spread", "jitter_percent = 50\nstale_if_error_ms = 600000\n")};
  Client client{proxy.port(), std::chrono::seconds(60)};
  Client direct{redis.port()};
};

std::int64_t unix_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

TEST_CASE("jitter spreads the ends of copies, and without it they are what is configured") {
  World world;
  constexpr int kKeys = 200;
  const auto key = [](const std::string& space, int id) {
    return space + ":" + std::to_string(id);
  };
  // How much later than at `since` they would end, were that when they were stored.
  const auto ends = [&](const std::string& space, std::int64_t ttl, std::int64_t since) {
    std::vector<std::int64_t> all;
    for (int id = 1; id <= kKeys; id++) {
      all.push_back(world.direct.call("PEXPIRETIME", key(space, id)).integer - ttl - since);
    }
    std::ranges::sort(all);
    return all;
  };
  const auto check = [&](std::int64_t since) {
    const std::int64_t until = unix_ms();
    const std::vector<std::int64_t> exact = ends("doc", 60'000, since);
    CHECK(exact.front() >= 0);
    CHECK(exact.back() <= until - since);
    const std::vector<std::int64_t> spread = ends("spread", 660'000, since);
    CHECK(spread.front() >= -30'000);
    CHECK(spread.back() <= until - since);
    // Of 200 that lie anywhere in 30 seconds.
    CHECK(spread[150] - spread[50] > 10'000);
  };
  std::int64_t since = unix_ms();
  for (const char* space : {"doc", "spread"}) {
    std::vector<std::string> words{"MSET"};
    for (int id = 1; id <= kKeys; id++) {
      words.insert(words.end(), {key(space, id), "x"});
    }
    REQUIRE(world.client.call(words).text == "OK");
  }
  check(since);
  world.direct.call("FLUSHALL");
  since = unix_ms();
  for (const char* space : {"doc", "spread"}) {
    for (int id = 1; id <= kKeys; id++) {
      REQUIRE(eventually([&] {
        return world.client.call("GET", key(space, id)).text == "x" &&
               world.direct.call("EXISTS", key(space, id)).integer == 1;
      }));
    }
  }
  check(since);
}

}  // namespace tiercache::testing
