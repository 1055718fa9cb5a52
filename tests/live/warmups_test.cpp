// [[warmup]]: keys that are in L1 before anybody asks for them, through the real program.
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <chrono>
#include <csignal>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <sqlite3.h>

namespace tiercache::testing {

namespace {

struct World {
  RedisServer redis;
  Client direct{redis.port()};
  std::unique_ptr<TiercacheProcess> proxy;
  std::unique_ptr<Client> client;

  void start(const std::string& conf, std::vector<std::string> sets = {}) {
    proxy = std::make_unique<TiercacheProcess>(redis.port(), std::move(sets), conf);
    client = std::make_unique<Client>(proxy->port(), std::chrono::seconds(60));
  }
  void populate(const std::string& prefix, int keys) {
    direct.call("DEBUG", "POPULATE", std::to_string(keys), prefix, "20");
  }
  std::string path(const std::string& name) const {
    return (redis.directory() / name).string();
  }
  // Of CACHE WARM STATUS, the one of that name.
  Value status(const std::string& name) {
    const Value all = client->call("CACHE", "WARM", "STATUS");
    for (const Value& one : all.find("warmups")->items) {
      if (one.find("name")->text == name) {
        return one;
      }
    }
    return {};
  }
  std::string state(const std::string& name) {
    return status(name).find("state")->text;
  }
  std::int64_t counted(const std::string& name, const std::string& field) {
    return status(name).find(field)->integer;
  }
  // Whatever was taken in or was there already: on a machine that stalls L1 may be emptied.
  bool all_had(const std::string& name, std::int64_t keys) {
    const Value one = status(name);
    return one.find("seen")->integer == keys &&
           one.find("filled")->integer + one.find("present")->integer +
                   one.find("refused")->integer + one.find("failed")->integer ==
               keys;
  }
  bool cached(const std::string& key) {
    return client->call("CACHE", "KEY", key).find("state")->text == "cached";
  }
  bool logged(const std::string& text) const {
    return proxy->log().find(text) != std::string::npos;
  }
};

std::string scan(const std::string& name, const std::string& pattern,
                 const std::string& rest = "") {
  return "[[warmup]]\nname = \"" + name + "\"\npattern = \"" + pattern + "\"\n" + rest;
}

void write_database(const std::string& path) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
  REQUIRE(sqlite3_exec(database,
                       "create table t (k text, n integer);"
                       "insert into t values ('q:1', 1), ('q:2', 2), (null, 3), ('gone', 4)",
                       nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
}

}  // namespace

TEST_CASE("each strategy warms its keys at start, and tells so") {
  World world;
  world.populate("s", 300);
  world.populate("q", 10);
  world.direct.call("SET", "a", "1");
  world.direct.call("SET", "key with space", "2");
  world.direct.call("SET", "in db 2", "x");
  std::ofstream(world.path("keys")) << "key with space\n\nmissing\n";
  write_database(world.path("db"));
  world.start("[[source]]\nname = \"db\"\npath = \"" + world.path("db") + "\"\n" +
              scan("scanned", "s:*") +
              "[[warmup]]\nname = \"listed\"\nstrategy = \"keys\"\nkeys = [\"a\"]\nfile = \"" +
              world.path("keys") + "\"\nrefresh_interval_ms = 50\n" +
              "[[warmup]]\nname = \"asked\"\nstrategy = \"query\"\nsource = \"db\"\n"
              "query = \"select k, n from t\"\nrefresh_interval_ms = 50\n");
  REQUIRE(eventually([&] { return world.state("scanned") == "done"; }));
  CHECK(world.all_had("scanned", 300));
  CHECK(world.status("scanned").find("strategy")->text == "scan");
  CHECK(world.status("scanned").find("progress")->text.starts_with("[####################] 100% "));
  CHECK(world.counted("scanned", "runs") == 1);
  CHECK(world.counted("scanned", "required") == 0);
  // These run again and again, so what a stall took away comes back.
  CHECK(eventually([&] {
    return world.cached("a") && world.cached("key with space") && world.cached("q:1") &&
           world.cached("q:2");
  }));
  CHECK(eventually([&] { return world.counted("listed", "runs") > 2; }));
  CHECK(eventually([&] { return world.all_had("listed", 3) && world.all_had("asked", 3); }));
  CHECK(world.logged("warmup 'scanned': started in db 0 at 10000 keys/s"));
  CHECK(world.logged("warmup 'scanned': done; 300 keys scanned"));
  // What CACHE WARM START does is apart from these.
  CHECK(world.client->call("CACHE", "WARM", "STATUS").find("state")->text == "idle");
  CHECK(world.client->call("CACHE", "WARM", "STOP").text == "ERR no warmup is running");
  CHECK(world.client->call("CACHE", "WARM", "START", "s:*").text == "OK");
  CHECK(eventually(
      [&] { return world.client->call("CACHE", "WARM", "STATUS").find("state")->text == "done"; }));
}

TEST_CASE("a refresh brings back what L1 has lost, and no key is read that is there") {
  World world;
  world.populate("s", 20);
  world.start(scan("s", "s:*", "refresh_interval_ms = 20\n"), {"coherence.max_staleness_ms=60000"});
  const auto whole = [&] {
    return world.counted("s", "present") == 20;
  };
  CHECK(eventually(whole));
  world.client->call("CACHE", "FLUSH");
  CHECK(eventually([&] { return whole() && world.cached("s:7"); }));
}

TEST_CASE("a warmup that runs shows how far it is, to who asks and in the log") {
  World world;
  world.populate("s", 5000);
  world.populate("other", 5000);
  world.direct.call("SET", "a", "1");
  std::string listed;
  for (int i = 0; i < 400; i++) {
    listed += (i == 0 ? "\"s:" : ",\"s:") + std::to_string(i) + "\"";
  }
  std::ofstream(world.path("keys")) << "s:1\ns:2\n";
  world.start(scan("scanned", "s:*", "rate = 300\n") +
                  "[[warmup]]\nname = \"listed\"\nstrategy = \"keys\"\nrate = 20\nkeys = [" +
                  listed + "]\n[[warmup]]\nname = \"read\"\nstrategy = \"keys\"\nfile = \"" +
                  world.path("keys") + "\"\n",
              {"warm.batch=10"});
  const auto progress = [&](const std::string& name) {
    return world.status(name).find("progress")->text;
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  // All of what is in Redis is looked at, whether it fits or not.
  CHECK(eventually([&] {
    const std::string text = progress("scanned");
    return text.starts_with("[") && has(text, "/10001 ") && has(text, "/s ") && !has(text, " 0/");
  }));
  CHECK(eventually([&] {
    const std::string text = progress("listed");
    return text.starts_with("[") && has(text, "/400 ") && has(text, "/s ");
  }));
  CHECK(eventually([&] { return world.state("read") == "done"; }));
  CHECK(progress("read").starts_with("2 "));
  CHECK(world.client->call("CACHE", "WARM", "STATUS").find("progress")->text.empty());
  CHECK(eventually([&] { return world.logged("warmup 'listed': ["); }));
  CHECK(world.logged("warmup 'scanned': ["));
  CHECK(world.state("listed") == "running");
}

TEST_CASE("clients are refused until the required warmups are done") {
  World world;
  world.populate("s", 400);
  // Not done before its rate allows it.
  const auto before = std::chrono::steady_clock::now();
  world.start(scan("must", "s:*", "required = true\nrate = 400\n") +
              scan("other", "s:*", "rate = 1\n"));
  CHECK(std::chrono::steady_clock::now() - before > std::chrono::milliseconds(500));
  CHECK(world.state("must") == "done");
  CHECK(world.all_had("must", 400));
  CHECK(world.state("other") == "running");
  const std::string log = world.proxy->log();
  const auto done = log.find("warmup 'must', which is required, is done");
  CHECK(log.find("clients wait for the required warmups: must\n") < done);
  CHECK(done < log.find(" serves "));
  CHECK(log.find(" serves ") != std::string::npos);
  world.proxy->signal(SIGTERM);
  CHECK(world.proxy->wait_exit(std::chrono::seconds(60)) == 0);
  CHECK(world.logged("warmup 'other': stopped"));
}

TEST_CASE("a required warmup that takes too long, or fails, keeps nobody out for ever") {
  World world;
  world.populate("s", 5000);
  world.start(scan("slow", "s:*", "required = true\nrate = 10\ndeadline_ms = 300\n"));
  CHECK(world.logged("warmup 'slow' is required and not done after 300 ms"));
  CHECK(world.client->call("PING").text == "PONG");
  CHECK(world.state("slow") == "running");
  write_database(world.path("db"));
  world.start("[[source]]\nname = \"db\"\npath = \"" + world.path("db") + "\"\n" +
              "[[warmup]]\nname = \"bad\"\nstrategy = \"query\"\nsource = \"db\"\n"
              "query = \"select k from later\"\nrequired = true\n");
  CHECK(world.state("bad") == "failed");
  CHECK(world.status("bad").find("reason")->text == "source 'db': no such table: later");
  CHECK(world.logged("warmup 'bad' is required and has failed"));
}

TEST_CASE("a file of keys that is not there keeps the program from starting") {
  World world;
  const std::string conf = world.path("bad.toml");
  std::ofstream(conf) << "[[warmup]]\nname = \"w\"\nstrategy = \"keys\"\nfile = \"/no/keys\"\n";
  const ProgramRun run = run_tiercache({"--check-config", "--config", conf});
  CHECK(run.status != 0);
  CHECK(run.err.find("warmup 'w': warmup.file: /no/keys: No such file or directory") !=
        std::string::npos);
}

TEST_CASE("without L1 nobody waits for it to be warm") {
  World world;
  world.start(scan("must", "*", "required = true\ndeadline_ms = 86400000\n"), {"l1.enabled=false"});
  CHECK(world.client->call("PING").text == "PONG");
  CHECK(
      eventually([&] { return world.logged("l1.enabled is false, so there is nothing to warm"); }));
}

}  // namespace tiercache::testing
