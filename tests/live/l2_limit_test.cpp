// How many connections to one server there may be: for what, and what happens beyond.
#include "l2_links.hpp"

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::testing;
using l2::Link;
using l2::LinkPtr;

TEST_CASE("connections of all threads to a server are limited; none that is used gives way") {
  RedisServer server;
  Loop loop;
  l2::LinksConfig config = config_for(server);
  config.max_connections = 4;  // three of them for clients' own; a spare only beside one other
  const auto one = links_for(loop, config);
  const auto two = links_for(loop, config);
  const auto& links = config.upstream->links;
  const auto& refused = config.upstream->refused;
  const RecorderPtr owner(new Recorder);

  const LinkPtr first = one->own({3}, *owner);
  CHECK(links == 2);  // and one greeted ahead
  const LinkPtr second = two->own({3}, *owner);
  REQUIRE(second != nullptr);
  CHECK(links == 3);
  CHECK(two->own({3}, *owner) == nullptr);
  CHECK(refused == 1);
  CHECK(two->why_not().starts_with("-ERR tiercache: too many connections to upstream 127.0.0.1:"));
  const LinkPtr third = one->own({4}, *owner);  // of another kind: the spare gives way
  REQUIRE(third != nullptr);
  CHECK(links == 3);
  const LinkPtr shared = two->shared({});  // the last is for these
  REQUIRE(shared != nullptr);
  CHECK(links == 4);
  CHECK(one->shared({}) == nullptr);
  CHECK(one->candidate({}) == nullptr);
  CHECK(refused == 3);
  REQUIRE(loop.until([&] {
    return first->state() == Link::State::ready && second->state() == Link::State::ready &&
           third->state() == Link::State::ready && shared->state() == Link::State::ready;
  }));

  first->close();
  CHECK(one->own({4}, *owner) == nullptr);
  CHECK(refused == 4);
  const LinkPtr other = one->shared({});
  REQUIRE(other != nullptr);
  CHECK(links == 4);
  const RecorderPtr recorder(new Recorder);
  ask(*other, *recorder, {"PING"});
  REQUIRE(loop.until([&] { return recorder->finished == 1; }));
  CHECK(second->state() == Link::State::ready);
  CHECK(third->state() == Link::State::ready);
  CHECK(shared->state() == Link::State::ready);
}

TEST_CASE("a place is given back by a link that never came to be") {
  l2::LinksConfig config;
  {
    RedisServer server;
    config = config_for(server);
  }
  config.max_connections = 1;
  config.backoff_min = config.backoff_max = std::chrono::milliseconds(1);
  Loop loop;
  const auto links = links_for(loop, config);
  for (int i = 0; i < 3; i++) {
    LinkPtr link;
    REQUIRE(loop.until([&] { return (link = links->shared({})) != nullptr; }));
    REQUIRE(loop.until([&] { return link->state() == Link::State::dead; }));
    CHECK(config.upstream->links == 0);
  }
  CHECK(config.upstream->refused == 0);
}
