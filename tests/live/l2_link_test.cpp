// Data links against a real server: order, size, loss, back-pressure.
#include "client.hpp"
#include "l2_links.hpp"
#include "l2_loop.hpp"
#include "redis_server.hpp"

#include "tiercache/l2/links.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using l2::Link;
using l2::LinkPtr;
using l2::LinksConfig;
using l2::LinkSpec;
using testing::ask;
using testing::Client;
using testing::config_for;
using testing::links_for;
using testing::Loop;
using testing::Recorder;
using testing::RecorderPtr;
using testing::RedisServer;
using testing::request;

TEST_CASE("thousands of pipelined requests with replies of all sizes are answered in order") {
  RedisServer server;
  Loop loop;
  const auto links = links_for(loop, config_for(server));
  const LinkPtr link = links->shared({});
  REQUIRE(link);
  CHECK(link->state() == Link::State::connecting);
  CHECK(links->shared({}) == link);

  const RecorderPtr recorder(new Recorder);
  std::vector<std::string> expected;
  for (std::size_t i = 0; i < 5000; i++) {
    const std::string text(i % 97 == 0 ? 150'000 : i % 61, static_cast<char>('a' + i % 26));
    ask(*link, *recorder, {"ECHO", text}, i);
    resp::append_bulk(expected.emplace_back(), text);
  }
  const bool answered = loop.until([&] { return recorder->finished == expected.size(); });
  INFO(recorder->reason);
  REQUIRE(answered);
  CHECK(link->state() == Link::State::ready);
  CHECK(recorder->misplaced == 0);
  CHECK(recorder->lost.empty());
  for (std::size_t i = 0; i < expected.size(); i++) {
    REQUIRE(recorder->replies[i].tag == i);
    REQUIRE(recorder->replies[i].bytes == expected[i]);
  }
}

TEST_CASE("numbers on a link count requests, ids are never used again, the source is the process") {
  RedisServer server;
  Loop loop;
  const auto links = links_for(loop, config_for(server));
  const LinkPtr link = links->shared({});
  const LinkPtr other = links->shared({1});
  CHECK(link->next_place().source == 0);
  CHECK(link->next_place().link != other->next_place().link);
  const RecorderPtr recorder(new Recorder);
  const std::uint64_t first = ask(*link, *recorder, {"PING"});
  CHECK(first > 0);
  CHECK(ask(*link, *recorder, {"PING"}) == first + 1);
  ask(*other, *recorder, {"PING"});
  REQUIRE(loop.until([&] { return recorder->finished == 3; }));
  const std::uint64_t source = link->next_place().source;
  CHECK(source != 0);
  CHECK(other->next_place().source == source);

  server.kill9();
  REQUIRE(loop.until([&] { return link->state() == Link::State::dead; }));
  server.start();
  LinkPtr again;
  REQUIRE(loop.until([&] {
    again = links->shared({});
    return again && again->state() == Link::State::ready;
  }));
  CHECK(again->next_place().link != link->next_place().link);
  CHECK(again->next_place().source != source);
}

TEST_CASE("a link speaks to the db of its spec") {
  RedisServer server;
  Client client(server.port());
  client.call("SELECT", "3");
  client.call("SET", "k", "in three");
  Loop loop;
  const auto links = links_for(loop, config_for(server));
  const RecorderPtr recorder(new Recorder);
  ask(*links->shared({3}), *recorder, {"GET", "k"}, 1);
  REQUIRE(loop.until([&] { return recorder->finished == 1; }));
  ask(*links->shared({}), *recorder, {"GET", "k"}, 2);
  REQUIRE(loop.until([&] { return recorder->finished == 2; }));
  CHECK(recorder->replies[0].bytes == "$8\r\nin three\r\n");
  CHECK(recorder->replies[1].bytes == "$-1\r\n");
}

TEST_CASE("a reply of 64 MB streams through in small pieces") {
  RedisServer server;
  const std::size_t size = std::size_t{64} << 20;
  Client(server.port()).call("SETRANGE", "large", std::to_string(size - 1), "x");
  Loop loop;
  const auto links = links_for(loop, config_for(server));
  const LinkPtr link = links->shared({});
  const RecorderPtr recorder(new Recorder);
  recorder->keep = false;
  ask(*link, *recorder, {"GET", "large"}, 1);
  ask(*link, *recorder, {"PING"}, 2);
  REQUIRE(loop.until([&] { return recorder->finished == 2; }));
  CHECK(recorder->bytes == size + std::string("$67108864\r\n\r\n+PONG\r\n").size());
  CHECK(recorder->largest_piece <= LinksConfig{}.shared_read_buffer);
}

TEST_CASE("when the server is killed each pending request is lost once, and a new link works") {
  RedisServer server;
  Loop loop;
  const auto links = links_for(loop, config_for(server));
  const LinkPtr link = links->shared({});
  const RecorderPtr recorder(new Recorder);
  ask(*link, *recorder, {"PING"}, 1000);
  REQUIRE(loop.until([&] { return recorder->finished == 1; }));

  server.pause();
  for (std::uint64_t tag = 0; tag < 100; tag++) {
    ask(*link, *recorder, {"GET", "k"}, tag);
  }
  link->wait_room(*recorder);
  loop.drain();
  server.kill9();
  REQUIRE(loop.until([&] { return recorder->lost.size() == 100; }));
  loop.drain();
  CHECK(link->state() == Link::State::dead);
  for (const auto& [tag, times] : recorder->lost) {
    REQUIRE(times == 1);
  }
  CHECK_FALSE(recorder->reason.empty());
  CHECK(recorder->rooms == 1);

  // Sent to a link that is dead already: lost as well, but never from within the call.
  link->send(request({"PING"}), *recorder, 2000);
  CHECK(recorder->lost.count(2000) == 0);
  REQUIRE(loop.until([&] { return recorder->lost.count(2000) == 1; }));

  server.start();
  LinkPtr again;
  REQUIRE(loop.until([&] { return (again = links->shared({})) != nullptr; }));
  ask(*again, *recorder, {"PING"}, 3000);
  REQUIRE(loop.until([&] { return recorder->finished == 2; }));
}

TEST_CASE(
    "a link on which a reply is overdue ends; one that brings something now and then does not") {
  RedisServer server;
  Loop loop;
  LinksConfig config = config_for(server);
  config.response_timeout = 3s;
  const auto links = links_for(loop, config);
  const LinkPtr link = links->shared({});
  const RecorderPtr recorder(new Recorder);
  for (std::uint64_t tag = 0; tag < 5; tag++) {
    ask(*link, *recorder, {"DEBUG", "SLEEP", "1"}, tag);
    REQUIRE(loop.until([&] { return recorder->finished == tag + 1; }));
  }
  CHECK(config.upstream->timeouts == 0);

  server.pause();
  ask(*link, *recorder, {"PING"}, 10);
  ask(*link, *recorder, {"PING"}, 11);
  REQUIRE(loop.until([&] { return recorder->lost.size() == 2; }));
  CHECK(recorder->reason == "Redis did not answer in time");
  CHECK(link->state() == Link::State::dead);
  CHECK(config.upstream->timeouts == 1);
  server.resume();
  LinkPtr again;
  REQUIRE(loop.until([&] {
    again = links->shared({});
    return again && again->state() == Link::State::ready;
  }));
  ask(*again, *recorder, {"PING"}, 12);
  REQUIRE(loop.until([&] { return recorder->finished == 6; }));
}

TEST_CASE("a RESP3 link gets RESP3 replies, and pushes reach raw links only") {
  RedisServer server;
  Client writer(server.port());
  Loop loop;
  const auto links = links_for(loop, config_for(server));
  const LinkSpec spec{0, resp::Version::resp3};
  const RecorderPtr recorder(new Recorder);

  const LinkPtr shared = links->shared(spec);
  ask(*shared, *recorder, {"CLIENT", "TRACKING", "ON"}, 1);
  ask(*shared, *recorder, {"GET", "k"}, 2);
  REQUIRE(loop.until([&] { return recorder->finished == 2; }));
  CHECK(recorder->replies[1].bytes == "_\r\n");
  writer.call("SET", "k", "v");
  ask(*shared, *recorder, {"GET", "k"}, 3);
  REQUIRE(loop.until([&] { return recorder->finished == 3; }));
  CHECK(recorder->replies[2].bytes == "$1\r\nv\r\n");

  const RecorderPtr owner(new Recorder);
  const LinkPtr own = links->own(spec, *owner);
  own->send_raw(request({"CLIENT", "TRACKING", "ON"}) + request({"GET", "k"}));
  REQUIRE(loop.until([&] { return owner->frames.size() == 2; }));
  writer.call("SET", "k", "w");
  REQUIRE(loop.until([&] { return owner->pushes.size() == 1; }));
  CHECK(owner->pushes[0] == ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n");
  server.kill9();
  REQUIRE(loop.until([&] { return owner->closed == 1; }));
  CHECK(own->state() == Link::State::dead);
}

TEST_CASE("a raw link that is closed is silent, and what was sent before is executed") {
  RedisServer server;
  Client client(server.port());
  Loop loop;
  const auto links = links_for(loop, config_for(server));
  const RecorderPtr owner(new Recorder);
  LinkPtr own = links->own({}, *owner);
  REQUIRE(loop.until([&] { return own->state() == Link::State::ready; }));
  own->send_raw(request({"SET", "k", "v"}));
  own->close();
  own.reset();
  REQUIRE(loop.until([&] { return client.call("GET", "k").text == "v"; }));
  loop.drain();
  CHECK(owner->closed == 0);
}

TEST_CASE("where a raw link was needed another is greeted ahead, for when Redis greets nobody") {
  RedisServer server;
  Client client(server.port());
  Loop loop;
  const auto links = links_for(loop, config_for(server));
  const RecorderPtr first(new Recorder);
  const RecorderPtr second(new Recorder);
  const RecorderPtr other(new Recorder);
  const LinkSpec spec{3};
  const LinkPtr link = links->own(spec, *first);
  const auto connections = [&] {
    const std::string all = client.call("CLIENT", "LIST").text;
    std::size_t count = 0;
    for (std::size_t at = all.find(" db=3 "); at != std::string::npos;
         at = all.find(" db=3 ", at + 1)) {
      count++;
    }
    return count;
  };
  REQUIRE(loop.until([&] { return connections() == 2; }));

  client.call("CONFIG", "SET", "busy-reply-threshold", "1");
  Client busy(server.port());
  busy.send("EVAL", "while true do end", "0");
  REQUIRE(loop.until([&] { return client.call("PING").text.starts_with("BUSY"); }));
  const LinkPtr spare = links->own(spec, *second);
  spare->send_raw(request({"MULTI"}));
  const LinkPtr late = links->own({4}, *other);
  REQUIRE(loop.until([&] { return second->frames.size() == 1 && other->closed == 1; }));
  CHECK(second->frames[0] == "+OK\r\n");
  CHECK(late->why().starts_with("-BUSY"));
  client.call("SCRIPT", "KILL");
  CHECK(busy.read().text.find("killed") != std::string::npos);
}

TEST_CASE("raw links that are greeted ahead end with their user, or when nobody needs them") {
  RedisServer server;
  Client client(server.port());
  for (const bool used : {true, false}) {
    Loop loop;
    LinksConfig config = config_for(server);
    config.spare_time = used ? std::chrono::hours(1) : Duration::zero();
    const auto links = links_for(loop, config);
    const RecorderPtr owner(new Recorder);
    LinkSpec spec{3};
    spec.user = 1;
    const LinkPtr link = links->own(spec, *owner);
    const auto one_is_left = [&] {
      const std::string all = client.call("CLIENT", "LIST").text;
      const std::size_t first = all.find(" db=3 ");
      return first != std::string::npos && all.find(" db=3 ", first + 1) == std::string::npos;
    };
    REQUIRE(loop.until([&] { return link->state() == Link::State::ready && !one_is_left(); }));
    links->drop_users([&](std::uint64_t) { return !used; });
    REQUIRE(loop.until(one_is_left));
    CHECK(link->state() == Link::State::ready);
  }
}

TEST_CASE("a raw link that is paused reads no further") {
  RedisServer server;
  const std::size_t size = std::size_t{32} << 20;
  Client client(server.port());
  client.call("SETRANGE", "large", std::to_string(size - 1), "x");
  Loop loop;
  const auto links = links_for(loop, config_for(server));

  struct Sink : Recorder {
    void on_frame(std::string_view piece, bool /*last*/, bool /*push*/) override {
      bytes += piece.size();
      if (bytes >= std::size_t{1} << 20 && !stopped) {
        stopped = true;
        link->pause_reading(true);
      }
    }
    LinkPtr link;
    bool stopped = false;
  };
  const boost::intrusive_ptr<Sink> sink(new Sink);
  sink->link = links->own({}, *sink);
  sink->link->send_raw(request({"GET", "large"}));
  REQUIRE(loop.until([&] { return sink->stopped; }));
  loop.drain();
  const std::size_t seen = sink->bytes;
  // A round trip of another connection later nothing more has come.
  const RecorderPtr recorder(new Recorder);
  ask(*links->shared({}), *recorder, {"PING"});
  REQUIRE(loop.until([&] { return recorder->finished == 1; }));
  CHECK(sink->bytes == seen);
  CHECK(sink->bytes < size);
  sink->link->pause_reading(false);
  REQUIRE(loop.until([&] { return sink->bytes > size; }));
  sink->link->close();
  sink->link.reset();
}

TEST_CASE("a link that is full says so, and calls when it has room") {
  RedisServer server;
  Loop loop;
  LinksConfig config = config_for(server);
  config.max_pending = 8;
  config.max_output = 1 << 20;
  const auto links = links_for(loop, config);
  const LinkPtr link = links->shared({});
  const RecorderPtr recorder(new Recorder);
  SUBCASE("of requests") {
    for (std::uint64_t tag = 0; tag < 8; tag++) {
      CHECK_FALSE(link->saturated());
      ask(*link, *recorder, {"PING"}, tag);
    }
  }
  SUBCASE("of bytes") {
    ask(*link, *recorder, {"ECHO", std::string(1 << 20, 'x')});
  }
  CHECK(link->saturated());
  link->wait_room(*recorder);
  CHECK(recorder->rooms == 0);
  REQUIRE(loop.until([&] { return recorder->rooms == 1; }));
  CHECK_FALSE(link->saturated());
  // There is room: called all the same, later.
  link->wait_room(*recorder);
  CHECK(recorder->rooms == 1);
  REQUIRE(loop.until([&] { return recorder->rooms == 2; }));
}

TEST_CASE("closing the pool loses everything, once") {
  RedisServer server;
  Loop loop;
  auto links = links_for(loop, config_for(server));
  const RecorderPtr recorder(new Recorder);
  const RecorderPtr owner(new Recorder);
  const LinkPtr link = links->shared({});
  const LinkPtr own = links->own({}, *owner);
  ask(*link, *recorder, {"PING"}, 1);
  SUBCASE("by request") {
    links->close_all();
  }
  SUBCASE("by its end") {
    links.reset();
  }
  CHECK(link->state() == Link::State::dead);
  CHECK(recorder->lost.empty());
  loop.drain();
  CHECK(recorder->lost[1] == 1);
  CHECK(owner->closed == 1);
}

TEST_CASE("a link that is connecting when another takes its place ends once it owes nothing") {
  RedisServer server;
  Loop loop;
  const l2::LinksConfig config = config_for(server);
  const auto links = links_for(loop, config);
  const l2::LinkSpec spec{3};
  const LinkPtr candidate = links->candidate(spec);
  REQUIRE(candidate != nullptr);
  REQUIRE(loop.until([&] { return candidate->state() == Link::State::ready; }));
  const LinkPtr replaced = links->shared(spec);
  REQUIRE(replaced->state() == Link::State::connecting);
  const RecorderPtr recorder(new Recorder);
  ask(*replaced, *recorder, {"PING"});
  CHECK(links->adopt(spec, candidate) == candidate);
  CHECK(links->shared(spec) == candidate);
  const auto all = [](std::uint64_t) {
    return true;
  };
  links->drop_users(all);
  REQUIRE(loop.until([&] { return recorder->finished == 1; }));
  CHECK(replaced->state() == Link::State::ready);
  CHECK(config.upstream->links == 2);
  links->drop_users(all);
  CHECK(replaced->state() == Link::State::dead);
  CHECK(config.upstream->links == 1);
  CHECK(links->shared(spec) == candidate);
}
