// How data links come to be, or do not: greeting, refusals, time limits, back-off.
#include "client.hpp"
#include "l2_links.hpp"
#include "l2_loop.hpp"
#include "redis_server.hpp"

#include "tiercache/l2/links.hpp"

#include <set>
#include <string>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using l2::Link;
using l2::LinkPtr;
using l2::LinksConfig;
using testing::ask;
using testing::Client;
using testing::config_for;
using testing::links_for;
using testing::Loop;
using testing::Recorder;
using testing::RecorderPtr;
using testing::RedisServer;

TEST_CASE("while the server is away attempts are spaced, and a reason is given") {
  RedisServer server;
  Loop loop;
  LinksConfig config = config_for(server);
  config.backoff_min = 100ms;
  config.backoff_max = 400ms;
  const auto links = links_for(loop, config);
  server.kill9();

  std::set<const Link*> attempts;
  std::vector<LinkPtr> kept;  // so that no address is used twice
  const auto begin = std::chrono::steady_clock::now();
  bool refused = false;
  REQUIRE(loop.until([&] {
    if (const LinkPtr link = links->shared({})) {
      if (attempts.insert(link.get()).second) {
        kept.push_back(link);
      }
    } else {
      refused = true;
    }
    return attempts.size() == 4;
  }));
  // At least half of 100, 200 and 400 ms lie between four attempts.
  CHECK(std::chrono::steady_clock::now() - begin >= 350ms);
  CHECK(refused);
  CHECK(std::string(links->why_not()).find("Connection refused") != std::string::npos);

  server.start();
  REQUIRE(loop.until([&] {
    const LinkPtr link = links->shared({});
    return link && link->state() == Link::State::ready;
  }));
}

TEST_CASE("a db that Redis refuses ends the link with Redis's own words, other dbs go on") {
  RedisServer server;
  Loop loop;
  const auto links = links_for(loop, config_for(server));
  const LinkPtr link = links->shared({99});
  const RecorderPtr recorder(new Recorder);
  ask(*link, *recorder, {"SET", "k", "v"}, 1);
  REQUIRE(loop.until([&] { return recorder->lost.count(1) == 1; }));
  CHECK(recorder->reason == "-ERR DB index is out of range");
  CHECK(links->shared({99}) == nullptr);
  CHECK(links->why_not() == "-ERR DB index is out of range");
  ask(*links->shared({}), *recorder, {"GET", "k"}, 2);
  REQUIRE(loop.until([&] { return recorder->finished == 1; }));
  CHECK(recorder->replies[0].bytes == "$-1\r\n");
}

TEST_CASE("links authenticate, and say so when they may not") {
  RedisServer server({"--requirepass", "secret"});
  Client client(server.port());
  client.call("AUTH", "secret");
  client.call("ACL", "SETUSER", "app", "on", ">word", "~*", "+@all", "-info");
  const auto reason = [&](const std::string& user, const std::string& password) {
    Loop loop;
    LinksConfig config = config_for(server);
    config.user = user;
    config.password = password;
    const auto links = links_for(loop, config);
    const LinkPtr link = links->shared({});
    const RecorderPtr recorder(new Recorder);
    ask(*link, *recorder, {"GET", "k"}, 1);
    REQUIRE(loop.until([&] { return recorder->finished + recorder->lost.size() == 1; }));
    return recorder->reason;
  };
  CHECK(reason("", "secret").empty());
  CHECK(reason("default", "secret").empty());
  // Without INFO a link still works; only its source is unknown.
  CHECK(reason("app", "word").empty());
  CHECK(reason("app", "wrong").starts_with("-WRONGPASS"));
  CHECK(reason("", "wrong").starts_with("-WRONGPASS"));
  // Nobody has logged in: that is for Redis to say, to each request.
  CHECK(reason("", "").empty());
}

TEST_CASE("a server that is full says so") {
  RedisServer server({"--maxclients", "1"});
  Client only(server.port());
  Loop loop;
  const auto links = links_for(loop, config_for(server));
  const LinkPtr link = links->shared({});
  const RecorderPtr recorder(new Recorder);
  ask(*link, *recorder, {"PING"}, 1);
  REQUIRE(loop.until([&] { return recorder->lost.count(1) == 1; }));
  CHECK(recorder->reason == "-ERR max number of clients reached");
}

TEST_CASE("a link over a unix socket, and over a name") {
  const std::string path = "l2.sock";
  RedisServer server({"--unixsocket", path});
  Loop loop;
  LinksConfig config = config_for(server);
  SUBCASE("unix") {
    config.upstream = l2::upstream_at(
        {config::EndpointKind::unix_socket, "", 0, (server.directory() / path).string()});
  }
  SUBCASE("name") {
    config.upstream = l2::upstream_at({config::EndpointKind::tcp, "localhost", server.port(), ""});
  }
  const auto links = links_for(loop, config);
  const RecorderPtr recorder(new Recorder);
  ask(*links->shared({}), *recorder, {"ECHO", "hello"});
  REQUIRE(loop.until([&] { return recorder->finished == 1; }));
  CHECK(recorder->replies[0].bytes == "$5\r\nhello\r\n");
}

TEST_CASE("a server that accepts and says nothing is given up") {
  RedisServer server;
  Loop loop;
  LinksConfig config = config_for(server);
  config.connect_timeout = 100ms;
  const auto links = links_for(loop, config);
  server.pause();
  const LinkPtr link = links->shared({});
  const RecorderPtr recorder(new Recorder);
  ask(*link, *recorder, {"PING"}, 1);
  REQUIRE(loop.until([&] { return recorder->lost.count(1) == 1; }));
  CHECK(recorder->reason.find("timed out") != std::string::npos);
  server.resume();
}
