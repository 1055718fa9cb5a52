// The words of CLIENT LIST, KILL, PAUSE, UNBLOCK and TRACKING, and the line that tells of a client.
#include "client_words.hpp"

#include "tiercache/command/table.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy;

namespace {

using Words = std::vector<std::string_view>;

ClientFacts client(std::uint64_t id) {
  ClientFacts facts;
  facts.id = id;
  facts.peer = "127.0.0.1:" + std::to_string(1000 + id);
  facts.local = "127.0.0.1:6380";
  facts.user = "default";
  return facts;
}

bool kills(const Words& words, const ClientFacts& who, std::uint64_t me = 99) {
  const auto ask = parse_client_kill(words);
  REQUIRE(ask);
  return ask.value().matches(who, me);
}

}  // namespace

TEST_CASE("a client's line has Redis 7.0's fields in its order") {
  ClientFacts facts = client(7);
  facts.fd = 8;
  facts.name = "me";
  facts.age = std::chrono::seconds(3);
  facts.command = "client|list";
  CHECK(client_line(facts) ==
        "id=7 addr=127.0.0.1:1007 laddr=127.0.0.1:6380 fd=8 name=me age=3 idle=0 flags=N db=0 "
        "sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 "
        "oll=0 omem=0 tot-mem=0 events=r cmd=client|list user=default redir=-1 resp=2");
  facts.command.clear();
  facts.library = "jedis";
  CHECK(client_line(facts).ends_with(
      " cmd=NULL user=default redir=-1 resp=2 lib-name=jedis lib-ver="));
}

TEST_CASE("flags stand in Redis's order") {
  ClientFacts facts = client(1);
  facts.monitor = facts.blocked = facts.tracking = facts.broadcast = facts.closing = true;
  facts.unix_socket = facts.no_evict = true;
  facts.queued = 0;
  facts.patterns = 1;
  CHECK(client_line(facts).find(" flags=OPxbtBcUe ") != std::string::npos);
}

TEST_CASE("CLIENT LIST takes a type or ids") {
  const auto plain = parse_client_list(Words{"CLIENT", "LIST"});
  REQUIRE(plain);
  CHECK_FALSE(plain.value().type);
  CHECK_FALSE(plain.value().ids);
  const auto type = parse_client_list(Words{"client", "list", "TYPE", "PubSub"});
  REQUIRE(type);
  ClientFacts subscriber = client(1);
  CHECK_FALSE(type.value().type->matches(subscriber));
  subscriber.channels = 1;
  CHECK(type.value().type->matches(subscriber));
  const auto replica = parse_client_list(Words{"client", "list", "type", "replica"});
  REQUIRE(replica);
  CHECK_FALSE(replica.value().type->matches(subscriber));
  const auto ids = parse_client_list(Words{"client", "list", "id", "5", "-3", "5"});
  REQUIRE(ids);
  CHECK(*ids.value().ids == std::vector<std::uint64_t>{5, 0, 5});
}

TEST_CASE("CLIENT KILL matches all that is asked for, and spares who asks") {
  const ClientFacts one = client(1);
  CHECK(kills({"client", "kill", "127.0.0.1:1001"}, one));
  CHECK(kills({"client", "kill", "127.0.0.1:1001"}, one, 1));
  CHECK_FALSE(kills({"client", "kill", "127.0.0.1:1002"}, one));
  CHECK(kills({"client", "kill", "ID", "1"}, one));
  CHECK_FALSE(kills({"client", "kill", "ID", "1"}, one, 1));
  CHECK(kills({"client", "kill", "ID", "1", "SKIPME", "no"}, one, 1));
  CHECK_FALSE(kills({"client", "kill", "ID", "1", "skipme", "NO", "skipme", "yes"}, one, 1));
  CHECK_FALSE(kills({"client", "kill", "ID", "2"}, one));
  CHECK(kills({"client", "kill", "LADDR", "127.0.0.1:6380", "TYPE", "normal"}, one));
  CHECK_FALSE(kills({"client", "kill", "LADDR", "127.0.0.1:6380", "TYPE", "pubsub"}, one));
  CHECK(kills({"client", "kill", "USER", "default"}, one));
  CHECK_FALSE(kills({"client", "kill", "USER", "Default"}, one));
  CHECK(kills({"client", "kill", "ADDR", "127.0.0.1:1001", "ADDR", "127.0.0.1:1001"}, one));
}

TEST_CASE("a pause is for all unless it says otherwise") {
  CHECK(parse_client_pause(Words{"client", "pause", "5"}).value().mode == PauseMode::all);
  CHECK(parse_client_pause(Words{"client", "pause", "5", "WRITE"}).value().mode ==
        PauseMode::write);
  CHECK(parse_client_pause(Words{"client", "pause", "70", "all"}).value().milliseconds == 70);
}

TEST_CASE("what is no client's id is nobody's") {
  CHECK(parse_client_unblock(Words{"client", "unblock", "-5"}).value().id == 0);
  CHECK(parse_client_unblock(Words{"client", "unblock", "5", "ERROR"}).value().error);
  CHECK_FALSE(parse_client_unblock(Words{"client", "unblock", "5", "timeout"}).value().error);
}

TEST_CASE("REDIRECT is found among the options of CLIENT TRACKING") {
  const auto at = [](const Words& words) {
    const auto ask = find_redirect(words);
    return ask ? static_cast<int>(ask->index) : -1;
  };
  CHECK(at({"client", "tracking", "on"}) == -1);
  CHECK(at({"client", "tracking", "on", "REDIRECT", "5"}) == 4);
  CHECK(at({"client", "tracking", "on", "bcast", "prefix", "redirect", "redirect", "5"}) == 7);
  CHECK(at({"client", "tracking", "on", "redirect"}) == -1);
  CHECK(at({"client", "tracking", "on", "redirect", "x"}) == -1);
  CHECK(at({"client", "tracking", "on", "redirect", "0"}) == -1);
}

TEST_CASE("a pause of writes holds back what may be replicated") {
  const auto held = [](const Words& words) {
    const command::Command* command = command::find(words);
    REQUIRE(command != nullptr);
    return may_replicate(*command, words);
  };
  for (const Words& words :
       {Words{"set", "a", "b"}, Words{"sort", "a"}, Words{"publish", "a", "b"},
        Words{"spublish", "a", "b"}, Words{"pfcount", "a"}, Words{"eval", "return 1", "0"},
        Words{"eval", "#!lua\nreturn 1", "0"}, Words{"evalsha", "a", "0"}, Words{"fcall", "f", "0"},
        Words{"flushall"}, Words{"function", "flush"}, Words{"xgroup", "create", "a", "b", "$"}}) {
    CAPTURE(std::string(words[0]));
    CHECK(held(words));
  }
  for (const Words& words :
       {Words{"get", "a"}, Words{"eval_ro", "return 1", "0"}, Words{"script", "load", "return 1"},
        Words{"eval", "#!lua flags=no-writes\nreturn 1", "0"}, Words{"config", "set", "a", "b"},
        Words{"georadius_ro", "a", "1", "1", "1", "m"}, Words{"client", "unpause"}}) {
    CAPTURE(std::string(words[0]));
    CHECK_FALSE(held(words));
  }
}
