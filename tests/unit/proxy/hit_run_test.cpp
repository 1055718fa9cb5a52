// GETs that are answered several at a time: a client cannot tell them from those that are answered
// one by one. Inline requests never are part of a run, so the same commands sent inline are the
// other half of each comparison.
#include "fake_upstream.hpp"

#include "tiercache/command/table.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <doctest/doctest.h>
#include <sys/socket.h>

using namespace tiercache;
using namespace tiercache::proxy::testing;
using stats::Counter;

namespace {

using Words = std::vector<std::string>;

enum class Form { arrays, lines };

std::string bytes_of(const Words& words, Form form) {
  std::string out;
  if (form == Form::arrays) {
    resp::append_request(out, std::vector<std::string_view>(words.begin(), words.end()));
    return out;
  }
  for (const std::string& word : words) {
    out += (out.empty() ? "\"" : " \"") + word + '"';
  }
  return out + "\r\n";
}

std::string bulk(const std::string& value) {
  return "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
}

// What Redis has: by the key alone, so that nothing depends on the moment.
std::string redis_reply(const std::string& words) {
  const std::string key = words.substr(words.rfind(' ') + 1);
  if (words.starts_with("PTTL ")) {
    return key.starts_with("none") ? ":-2\r\n" : ":-1\r\n";
  }
  if (words.starts_with("SET ")) {
    return "+OK\r\n";
  }
  if (!words.starts_with("GET ") && !words.starts_with("get ")) {
    return "+PONG\r\n";
  }
  if (key.starts_with("none")) {
    return "$-1\r\n";
  }
  if (key.starts_with("list")) {
    return "-WRONGTYPE not a string\r\n";
  }
  const std::size_t times = key.starts_with("huge") ? 2000 : key.starts_with("large") ? 300 : 3;
  std::string value;
  for (std::size_t i = 0; i < times; ++i) {
    value += key;
  }
  return bulk(value);
}

// Sends exactly the bytes that it is given.
class ByteClient {
 public:
  explicit ByteClient(Rig& rig) : rig_(rig), theirs_(rig.io) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    theirs_.assign({AF_UNIX, 0}, ends[0]);
    theirs_.non_blocking(true);
    proxy::Socket socket(rig.io, boost::asio::generic::stream_protocol(AF_UNIX, 0), ends[1]);
    rig.threads[0]->worker->adopt(std::move(socket), rig.hub.new_client_id());
    rig.run();
  }
  void send_bytes(std::string_view bytes) {
    REQUIRE(theirs_.send(boost::asio::buffer(bytes)) == bytes.size());
    rig_.run();
  }
  std::string read() {
    std::string all;
    for (;;) {
      std::array<char, 65536> part;
      boost::system::error_code error;
      const std::size_t size = theirs_.read_some(boost::asio::buffer(part), error);
      rig_.run();
      if (error) {
        return all;
      }
      all.append(part.data(), size);
    }
  }

 private:
  Rig& rig_;
  proxy::Socket theirs_;
};

struct Side {
  Rig rig;
  ByteClient client;
  Form form;
  std::string heard;

  using Tune = std::function<void(config::Config&)>;
  explicit Side(
      Form as, Tune tune = {}, const std::function<void(Rig&)>& prepare = [](Rig&) {})
      : rig(1, std::move(tune)), client(prepared(rig, prepare)), form(as) {
  }
  static Rig& prepared(Rig& rig, const std::function<void(Rig&)>& prepare) {
    prepare(rig);
    return rig;
  }
  void send(std::string_view bytes) {
    client.send_bytes(bytes);
    settle();
  }
  void ask(const std::vector<Words>& requests) {
    std::string bytes;
    for (const Words& words : requests) {
      bytes += bytes_of(words, form);
    }
    send(bytes);
  }
  // Redis answers until nothing is open; the client reads.
  void settle() {
    heard += client.read();
    for (bool more = true; more;) {
      more = false;
      for (const FakeLinks::Ref& link : rig.threads[0]->links.living()) {
        while (!link->pending.empty()) {
          link->reply(redis_reply(link->pending.front().words));
          rig.run();
          more = true;
        }
      }
      if (rig.threads[0]->gate.waiting() > 0) {
        rig.acknowledge();
        more = true;
      }
      heard += client.read();
    }
  }
  std::uint64_t count(Counter counter) const {
    return rig.registry.sum()[static_cast<std::size_t>(counter)];
  }
};

void check_alike(const Side& a, const Side& b) {
  CHECK(a.heard == b.heard);
  for (const Counter counter :
       {Counter::commands, Counter::l1_hits, Counter::l1_negative_hits, Counter::l1_misses,
        Counter::l1_fills, Counter::l2_requests, Counter::fence_waits, Counter::bytes_out}) {
    CAPTURE(stats::name_of(counter));
    CHECK(a.count(counter) == b.count(counter));
  }
  const stats::Histogram& hits_a = a.rig.threads[0]->worker->latencies().of(stats::Answered::hit);
  const stats::Histogram& hits_b = b.rig.threads[0]->worker->latencies().of(stats::Answered::hit);
  CHECK(hits_a.count() == hits_b.count());
}

std::string some_key(std::mt19937& random) {
  static constexpr std::string_view kKinds[] = {"key",   "key",  "key",  "key",  "none",
                                                "large", "huge", "list", "own:", "past:"};
  return std::string(kKinds[random() % std::size(kKinds)]) + std::to_string(random() % 6);
}

void tune(config::Config& config) {
  config.namespaces.resize(2);
  config.namespaces[0].name = "own";
  config.namespaces[0].match = {"own:*"};
  config.namespaces[0].max_staleness = std::chrono::milliseconds(0);
  config.namespaces[1].name = "past";
  config.namespaces[1].match = {"past:*"};
  config.namespaces[1].tiers = config::Tiers::l2;
}

}  // namespace

TEST_CASE("random pipelines are answered alike, together and one by one") {
  std::mt19937 random(42);
  for (int round = 0; round < 60; ++round) {
    const bool spaces = round % 3 == 0;
    const auto prepare = [round](Rig& rig) {
      if (round % 7 == 3) {
        rig.hub.kept_prefixes = {"key", "own:2"};
      }
    };
    Side arrays(Form::arrays, spaces ? Side::Tune(tune) : nullptr, prepare);
    Side lines(Form::lines, spaces ? Side::Tune(tune) : nullptr, prepare);
    if (round % 4 == 1) {
      for (Side* side : {&arrays, &lines}) {
        side->rig.cache.for_each_shard(
            [](coherence::Shard& shard) { shard.config().max_staleness = Duration::zero(); });
      }
    }
    if (round % 5 == 2) {
      arrays.ask({{"HELLO", "3"}});
      lines.ask({{"HELLO", "3"}});
      arrays.heard.clear();  // it tells the client's id
      lines.heard.clear();
    }
    for (int batch = 0; batch < 12; ++batch) {
      std::vector<Words> requests;
      for (auto left = 1 + random() % 100; left > 0; --left) {
        switch (random() % 24) {
          case 0:
            requests.push_back({"SET", some_key(random), "x"});
            break;
          case 1:
            requests.push_back({"PING"});
            break;
          default:
            requests.push_back({random() % 4 == 0 ? "get" : "GET", some_key(random)});
        }
      }
      arrays.ask(requests);
      lines.ask(requests);
    }
    CHECK(arrays.count(Counter::l1_hits) > 0);
    check_alike(arrays, lines);
    for (namespaces::Index space = 1; space <= 2; ++space) {
      if (spaces) {
        CHECK(arrays.rig.threads[0]->worker->spaces().sums(space) ==
              lines.rig.threads[0]->worker->spaces().sums(space));
      }
    }
  }
}

TEST_CASE("wherever a pipeline is cut the answers are the same") {
  Side side(Form::arrays);
  std::vector<Words> requests{{"GET", "key1"},
                              {"GET", "none"},
                              {"GET", ""},
                              {"get", "key2"},
                              {"GET", std::string(120, 'k')}};
  side.ask(requests);
  const std::string expected = side.heard;
  std::string bytes;
  for (const Words& words : requests) {
    bytes += bytes_of(words, Form::arrays);
  }
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    CAPTURE(cut);
    side.heard.clear();
    const std::uint64_t hits = side.count(Counter::l1_hits);
    side.send(bytes.substr(0, cut));
    side.send(bytes.substr(cut));
    CHECK(side.heard == expected);
    CHECK(side.count(Counter::l1_hits) == hits + requests.size());
  }
}

TEST_CASE("a run does not overtake a read of its session that waits for Redis") {
  Side side(Form::arrays);
  side.ask({{"GET", "key1"}, {"GET", "key2"}});
  side.heard.clear();
  side.client.send_bytes(bytes_of({"GET", "key1"}, Form::arrays) +
                         bytes_of({"GET", "new"}, Form::arrays) +
                         bytes_of({"GET", "key2"}, Form::arrays));
  CHECK(side.client.read() == redis_reply("GET key1"));
  side.client.send_bytes(bytes_of({"GET", "key1"}, Form::arrays));
  CHECK(side.client.read().empty());
  CHECK(side.rig.pending() == "PTTL new, GET new");
  side.settle();
  CHECK(side.heard == redis_reply("GET new") + redis_reply("GET key2") + redis_reply("GET key1"));
}

TEST_CASE("no run while L1 may not answer") {
  Side side(Form::arrays);
  side.ask({{"GET", "key1"}, {"GET", "key2"}});
  const std::string requests =
      bytes_of({"GET", "key1"}, Form::arrays) + bytes_of({"GET", "key2"}, Form::arrays);
  const std::string answers = redis_reply("GET key1") + redis_reply("GET key2");
  const auto hits_of = [&] {
    side.heard.clear();
    const std::uint64_t before = side.count(Counter::l1_hits);
    side.send(requests);
    CHECK(side.heard == answers);
    return side.count(Counter::l1_hits) - before;
  };
  CHECK(hits_of() == 2);
  SUBCASE("the event link is down") {
    side.rig.cache.status().set_state(coherence::LinkState::down);
    CHECK(hits_of() == 0);
    side.rig.cache.status().set_state(coherence::LinkState::live);
    CHECK(hits_of() == 0);  // what went past L1 is not kept
    CHECK(hits_of() == 2);
  }
  SUBCASE("the last PING is too old") {
    side.rig.cache.status().set_acked(1, Rig::now() - std::chrono::hours(2));
    CHECK(hits_of() == 0);
  }
  SUBCASE("all is forgotten") {
    side.rig.cache.status().bump_generation();
    CHECK(hits_of() == 0);
    CHECK(hits_of() == 2);
  }
  SUBCASE("a script of the session is not answered yet") {
    side.client.send_bytes(bytes_of({"EVAL", "return 1", "0"}, Form::arrays) + requests);
    CHECK(side.client.read().empty());
    const std::uint64_t before = side.count(Counter::l1_hits);
    side.settle();
    CHECK(side.count(Counter::l1_hits) == before);
  }
  SUBCASE("the session has a connection of its own") {
    side.ask({{"WATCH", "key1"}});
    CHECK(side.rig.threads[0]->links.owned.size() == 1);
    const std::uint64_t before = side.count(Counter::l1_hits);
    side.client.send_bytes(requests);
    CHECK(side.client.read() == "");
    CHECK(side.count(Counter::l1_hits) == before);
  }
}

TEST_CASE("behind a script that is not held no run is served until its fence") {
  Side side(Form::arrays,
            [](config::Config& config) { config.coherence.mode = config::CoherenceMode::session; });
  side.ask({{"GET", "key1"}, {"EVAL", "return 1", "0"}});
  const std::uint64_t before = side.count(Counter::l1_hits);
  for (int i = 0; i < 2; ++i) {  // the first goes back to the link of all else
    side.client.send_bytes(bytes_of({"GET", "key1"}, Form::arrays));
    CHECK(side.client.read().empty());
    side.settle();
  }
  CHECK(side.count(Counter::l1_hits) == before);
  side.rig.acknowledge();
  side.ask({{"GET", "key1"}, {"GET", "key1"}});
  CHECK(side.count(Counter::l1_hits) == before + 2);
}

TEST_CASE("a run shows nobody what Redis has not allowed them") {
  Side side(Form::arrays, {}, [](Rig& rig) {
    rig.hub.identities.ask_about_anonymous(proxy::Identities::AnonymousAs::proxy);
    const l1::Key key{rig.cache.hash(0, "key1"), 0, "key1"};
    const std::uint16_t get = static_cast<std::uint16_t>(
        command::Table::builtin()->find_name("get") - command::Table::builtin()->commands().data());
    coherence::Fill fill;
    fill.reply = "$6\r\nsecret\r\n";
    fill.source = 1;
    coherence::Waiters waiters;
    CHECK(rig.cache.reply(key.hash, rig.cache.begin_fill(key, {get, 0, {}}, {1, 1, 1}, Rig::now()),
                          fill, Rig::now(), waiters));
  });
  // Once for the link, once with it.
  side.client.send_bytes(bytes_of({"PING"}, Form::arrays) +
                         bytes_of({"GET", "key2"}, Form::arrays));
  side.settle();
  side.heard.clear();
  side.client.send_bytes(bytes_of({"GET", "key1"}, Form::arrays));
  CHECK(side.client.read().empty());
  CHECK(side.rig.pending().ends_with("GET key1"));
  side.settle();
  CHECK(side.heard == redis_reply("GET key1"));
}

TEST_CASE("clients are paused, and commands denied, in a run too") {
  Side side(Form::arrays, [](config::Config& config) { config.commands.deny = {"GET"}; });
  side.ask({{"GET", "key1"}, {"GET", "key1"}});
  CHECK(side.heard.starts_with("-ERR unknown command 'GET'"));
  CHECK(side.count(Counter::l1_hits) == 0);

  Side other(Form::arrays);
  other.ask({{"GET", "key1"}});
  other.heard.clear();
  other.rig.threads[0]->worker->pause(proxy::PauseMode::all, Rig::now() + std::chrono::hours(1));
  other.ask({{"GET", "key1"}});
  CHECK(other.heard.empty());
  other.rig.threads[0]->worker->end_pause();
  other.settle();
  CHECK(other.heard == redis_reply("GET key1"));
}

TEST_CASE("a client that does not read stops a run where it would stop single requests") {
  const auto limited = [](config::Config& config) {
    config.limits.client_output_pause = 600;
  };
  Side arrays(Form::arrays, limited);
  Side lines(Form::lines, limited);
  const std::vector<Words> requests(400, Words{"GET", "large1"});
  for (int i = 0; i < 3; ++i) {
    arrays.ask(requests);
    lines.ask(requests);
  }
  check_alike(arrays, lines);
  CHECK(arrays.heard.size() == 1200 * redis_reply("GET large1").size());
}
