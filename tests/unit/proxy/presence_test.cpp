// Reads of keys that are loaded where Redis has them not, when the key goes or comes between the
// requests that tell whether it has.
#include "../l2/fake_events.hpp"
#include "fake_source.hpp"
#include "fake_upstream.hpp"

#include "tiercache/proxy/loads.hpp"

#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy::testing;

namespace {

config::Config with_sources() {
  config::Config config;
  config.l1.max_value = 100;
  config.sources.emplace_back().name = "db";
  for (const auto& [name, result] :
       {std::pair("doc", config::LoadResult::value), std::pair("row", config::LoadResult::hash)}) {
    config::Namespace& space = config.namespaces.emplace_back();
    space.name = name;
    space.match = {std::string(name) + ":*"};
    space.tiers = config::Tiers::l1_l2_l3;
    space.source = "db";
    space.key = std::string(name) + ":{id:int}";
    space.query = "select";
    space.result = result;
  }
  return config;
}

struct World {
  Rig rig;
  FakeSource* source = nullptr;

  World() : rig(2, [](config::Config& config) { config = with_sources(); }) {
    rig.hub.loads = std::make_shared<proxy::Loads>(
        with_sources(), rig.hub, [this](const l3::SourceConfig&, const std::vector<l3::Query>&) {
          auto made = std::make_unique<FakeSource>();
          source = made.get();
          return made;
        });
    rig.hub.add_node({nullptr, rig.cache, fences_, events_});
  }
  // The load waits for a fence first.
  std::size_t loads() {
    rig.acknowledge();
    return source->queries.size();
  }
  void load(l3::Loaded loaded) {
    REQUIRE(loads() == 1);
    const FakeSource::Query query = std::move(source->queries.front());
    source->queries.clear();
    query.load.done(std::move(loaded));
    rig.run();
  }

 private:
  l2::Fences fences_;
  l2::testing::FakeEvents events_;  // nobody asks it
};

const l3::Loaded kDoc{l3::Loaded::Kind::value, "abc"};
const l3::Loaded kRow{l3::Loaded::Kind::value, {}, false, false, {"f", "abc"}};

struct Read {
  std::string words;
  const char* nothing;  // Redis's reply to a missing key, and to one that is there and has little
  const char* loaded;
};
const Read kReads[] = {
    {"HGET row:1 f", "$-1\r\n", "$3\r\nabc\r\n"},
    {"HMGET row:1 f g", "*2\r\n$-1\r\n$-1\r\n", "*2\r\n$3\r\nabc\r\n$-1\r\n"},
    {"HEXISTS row:1 f", ":0\r\n", ":1\r\n"},
    {"HSTRLEN row:1 f", ":0\r\n", ":3\r\n"},
    {"STRLEN doc:1", ":0\r\n", ":3\r\n"},
    {"GETRANGE doc:1 1 1", "$0\r\n\r\n", "$1\r\nb\r\n"},
    {"SUBSTR doc:1 1 1", "$0\r\n\r\n", "$1\r\nb\r\n"},
};

bool of_hash(const Read& read) {
  return read.words.find("row:") != std::string::npos;
}

}  // namespace

TEST_CASE("a key that goes between the PTTL and the read is loaded") {
  for (const Read& read : kReads) {
    CAPTURE(read.words);
    World world;
    TestClient client(world.rig);
    client.send(read.words);
    const std::string pttl = of_hash(read) ? "PTTL row:1" : "PTTL doc:1";
    CHECK(world.rig.pending() == pttl + ", " + read.words + ", " + pttl);
    world.rig.fill(read.nothing, ":3600000\r\n");
    CHECK(client.read().empty());
    CHECK(world.loads() == 0);
    world.rig.reply(":-2\r\n");
    CHECK(client.read().empty());
    world.load(of_hash(read) ? kRow : kDoc);
    CHECK(client.read() == read.loaded);
  }
}

TEST_CASE("a key that is there without the field, or with an empty value, is not") {
  for (const Read& read : kReads) {
    CAPTURE(read.words);
    World world;
    TestClient client(world.rig);
    client.send(read.words);
    world.rig.fill(read.nothing, ":3600000\r\n");
    world.rig.reply(":3600000\r\n");
    CHECK(client.read() == read.nothing);
    CHECK(world.loads() == 0);
    // L1 has it.
    client.send(read.words);
    CHECK(client.read() == read.nothing);
    CHECK(world.rig.link().pending.empty());
  }
}

TEST_CASE("a key that comes between the PTTL and the read is not loaded") {
  for (const Read& read : kReads) {
    CAPTURE(read.words);
    World world;
    TestClient client(world.rig);
    client.send(read.words);
    world.rig.fill(read.loaded, ":-2\r\n");
    world.rig.reply(":3600000\r\n");
    CHECK(client.read() == read.loaded);
    CHECK(world.loads() == 0);
  }
}

TEST_CASE("where the second PTTL tells nothing the source is asked") {
  World world;
  TestClient client(world.rig);
  client.send("HGET row:1 f");
  world.rig.fill("$-1\r\n", ":3600000\r\n");
  world.rig.link().piece("-ERR it cann");
  world.rig.reply("ot be told\r\n");
  world.load(kRow);
  CHECK(client.read() == "$3\r\nabc\r\n");
}

TEST_CASE("reads whose reply tells it are sent as they were") {
  World world;
  TestClient client(world.rig);
  for (const std::string words : {"HGETALL row:1", "HLEN row:1", "GET doc:1", "EXISTS doc:1"}) {
    CAPTURE(words);
    client.send(words);
    CHECK(world.rig.link().pending.size() == 2);
    world.rig.fill("-ERR no\r\n");
    client.read();
  }
}

TEST_CASE("what is too large to be kept back, and an error, does not wait for the second PTTL") {
  World world;
  TestClient client(world.rig);
  const std::string large = "$200\r\n" + std::string(200, 'x') + "\r\n";
  client.send("HGET row:1 f\r\nECHO hi");
  world.rig.link().reply(":-1\r\n");
  world.rig.reply(large);
  CHECK(client.read() == large);
  CHECK(world.rig.pending() == "PTTL row:1, ECHO hi");
  world.rig.reply(":-1\r\n");
  world.rig.reply("$2\r\nhi\r\n");
  CHECK(client.read() == "$2\r\nhi\r\n");
  client.send("HGET row:1 f");
  world.rig.fill("-WRONGTYPE no\r\n");
  CHECK(client.read() == "-WRONGTYPE no\r\n");
  world.rig.reply(":-1\r\n");
  CHECK(client.read().empty());
}

TEST_CASE("a link that is lost before the second PTTL is answered has lost the read") {
  World world;
  TestClient client(world.rig);
  client.send("HGET row:1 f");
  world.rig.fill("$-1\r\n", ":3600000\r\n");
  world.rig.link().die("it broke");
  world.rig.run();
  CHECK(client.read().empty());
  REQUIRE(world.loads() == 1);  // as where Redis is away
  const FakeSource::Query query = std::move(world.source->queries.front());
  world.source->queries.clear();
  query.load.done(kRow);
  world.rig.run();
  CHECK(client.read() == "$3\r\nabc\r\n");
}

// The key that was there first has been removed by then, the other one has been stored since.
TEST_CASE("a key that goes and comes again between the two PTTLs is loaded") {
  for (const auto& [first, second] :
       {std::pair(":500\r\n", ":3600000\r\n"), std::pair(":500\r\n", ":-1\r\n"),
        std::pair(":-1\r\n", ":3600000\r\n")}) {
    for (const Read& read : kReads) {
      CAPTURE(read.words);
      World world;
      TestClient client(world.rig);
      client.send(read.words);
      world.rig.fill(read.nothing, first);
      world.rig.reply(second);
      CHECK(client.read().empty());
      world.load(of_hash(read) ? kRow : kDoc);
      CHECK(client.read() == read.loaded);
    }
  }
}

TEST_CASE("where the proxy has stored the key meanwhile its TTL may be the same") {
  enum class Stored { before, meanwhile, perhaps };
  for (const Stored stored : {Stored::before, Stored::meanwhile, Stored::perhaps}) {
    for (const Read& read : kReads) {
      CAPTURE(read.words);
      World world;
      TestClient first(world.rig);
      TestClient client(world.rig, 1);
      first.send(of_hash(read) ? "HGETALL row:1" : "GET doc:1");
      world.rig.fill(of_hash(read) ? "*0\r\n" : "$-1\r\n", ":-2\r\n");
      world.load(of_hash(read) ? kRow : kDoc);
      REQUIRE(world.rig.link().pending.size() == 1);
      if (stored == Stored::before) {
        world.rig.reply("+OK\r\n");
      }
      client.send(read.words);
      world.rig.link(1).reply(":-1\r\n");
      world.rig.reply(read.nothing, 1);
      if (stored == Stored::meanwhile) {
        world.rig.reply("+OK\r\n");
      }
      world.rig.reply(":-1\r\n", 1);
      CHECK(world.loads() == 0);
      CHECK(client.read() == (stored == Stored::before ? read.nothing : read.loaded));
    }
  }
}
