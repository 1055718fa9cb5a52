// Which subscriptions bring keyspace events, and of which key an event is.
#include "keyspace_events.hpp"

#include <string>

#include <doctest/doctest.h>

namespace tiercache::proxy {

namespace {

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

}  // namespace

TEST_CASE("a channel brings events by its beginning, a pattern if it can match such a channel") {
  for (const char* name : {"__keyspace@0__:k", "__keyevent@0__:set", "__keyspace@"}) {
    CHECK(may_bring_events(Subscription::channel, name));
    CHECK(may_bring_events(Subscription::pattern, name));
  }
  for (const char* pattern :
       {"*", "__key*", "__keyspace@*__:*", "__keyevent@?__:del", "[_a]_keyspace@0__:k", "??????*",
        "__ke[yz][es]*", "\\__keyspace@0__:k*", "[^a]*", "__keyspace@0__:[ab]"}) {
    CAPTURE(pattern);
    CHECK(may_bring_events(Subscription::pattern, pattern));
  }
  for (const char* pattern : {"", "news.*", "__key", "__keyspace", "_?", "[a-z]*", "?_keyspacex*",
                              "__Keyspace@*", "[^_]*", "\\*"}) {
    CAPTURE(pattern);
    CHECK(!may_bring_events(Subscription::pattern, pattern));
  }
  CHECK(!may_bring_events(Subscription::channel, "*"));
  CHECK(!may_bring_events(Subscription::channel, "news"));
}

TEST_CASE("an event is of the key in its channel, or in its payload") {
  CHECK(key_of_event("__keyspace@0__:some key", "set") == "some key");
  CHECK(key_of_event("__keyspace@12__:", "set") == "");
  CHECK(key_of_event("__keyevent@0__:set", "some key") == "some key");
  for (const char* channel : {"news", "__keyspace@", "__keyspace@0", "__keyspace@__:k",
                              "__keyspace@x__:k", "__keyspace@0_:k", "__keyspac@0__:k"}) {
    CAPTURE(channel);
    CHECK(!key_of_event(channel, "p"));
  }
}

TEST_CASE("frames of pub/sub are read in both versions") {
  for (const std::string type : {"*", ">"}) {
    const std::string message = type + "3\r\n" + bulk("message") + bulk("c") + bulk("p\r\n");
    const PubsubFrame plain = read_pubsub(message);
    CHECK(plain.kind == PubsubFrame::Kind::message);
    CHECK(plain.subscription == Subscription::channel);
    CHECK(plain.name == "c");
    CHECK(plain.channel == "c");
    CHECK(plain.payload == "p\r\n");
    const std::string matched =
        type + "4\r\n" + bulk("pmessage") + bulk("*") + bulk("c") + bulk("");
    const PubsubFrame pattern = read_pubsub(matched);
    CHECK(pattern.kind == PubsubFrame::Kind::message);
    CHECK(pattern.subscription == Subscription::pattern);
    CHECK(pattern.name == "*");
    CHECK(pattern.channel == "c");
    CHECK(pattern.payload.empty());
    const std::string added = type + "3\r\n" + bulk("psubscribe") + bulk("a*") + ":1\r\n";
    CHECK(read_pubsub(added).kind == PubsubFrame::Kind::subscribed);
    CHECK(read_pubsub(added).subscription == Subscription::pattern);
    CHECK(read_pubsub(added).name == "a*");
    const std::string gone = type + "3\r\n" + bulk("unsubscribe") + bulk("a") + ":0\r\n";
    CHECK(read_pubsub(gone).kind == PubsubFrame::Kind::unsubscribed);
    // Cut anywhere it is none of these, or what has been read of it is right.
    for (std::size_t size = 0; size < matched.size(); size++) {
      const PubsubFrame cut = read_pubsub(std::string_view(matched).substr(0, size));
      CHECK(cut.kind == PubsubFrame::Kind::other);
    }
  }
  for (const char* other :
       {"", "+OK\r\n", "*0\r\n", "*1\r\n$4\r\npong\r\n", "*3\r\n$9\r\nsubscribe\r\n$-1\r\n:0\r\n",
        ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n",
        "*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n", "*2\r\n:1\r\n:2\r\n"}) {
    CAPTURE(other);
    CHECK(read_pubsub(other).kind == PubsubFrame::Kind::other);
  }
}

}  // namespace tiercache::proxy
