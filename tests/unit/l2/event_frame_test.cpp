#include "event_frame.hpp"

#include "tiercache/resp/reply_scanner.hpp"

#include <random>
#include <string>

#include <doctest/doctest.h>

using tiercache::l2::EventFrame;
using tiercache::l2::EventScan;
using tiercache::l2::parse_keyspace_channel;
using tiercache::l2::scan_event;
using tiercache::l2::scan_key;
using tiercache::resp::ParseStatus;
using Kind = EventFrame::Kind;

TEST_CASE("every shape of a subscribed connection is taken apart, however it is cut") {
  const std::string event =
      "*4\r\n$8\r\npmessage\r\n$16\r\n__keyspace@*__:*\r\n$19\r\n__keyspace@0__:a\r\nb\r\n"
      "$3\r\nset\r\n";
  const std::string frames[] = {
      event,
      "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*-1\r\n",
      "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*2\r\n",
      "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n",
      "*2\r\n$4\r\npong\r\n$2\r\n12\r\n",
      "+OK\r\n",
      "-ERR no\r\n",
      ":42\r\n",
      "$5\r\na\r\nbc\r\n",
      "$-1\r\n",
  };
  for (const std::string& whole : frames) {
    CAPTURE(whole);
    EventFrame frame;
    for (std::size_t size = 0; size < whole.size(); size++) {
      REQUIRE(scan_event(std::string(whole, 0, size), frame).status == ParseStatus::incomplete);
    }
    const std::string more = whole + "+next";
    const EventScan scan = scan_event(more, frame);
    REQUIRE(scan.status == ParseStatus::complete);
    CHECK(scan.consumed == whole.size());
  }

  EventFrame frame;
  scan_event(event, frame);
  CHECK(frame.kind == Kind::array);
  CHECK(frame.count == 4);
  CHECK(frame.parts[0].text == "pmessage");
  CHECK(frame.parts[2].text == "__keyspace@0__:a\r\nb");
  CHECK(frame.parts[3].text == "set");
  scan_event(frames[1], frame);
  CHECK(frame.parts[2].kind == Kind::nil);
  CHECK(frame.keys == 0);
  scan_event(frames[2], frame);
  CHECK(frame.parts[2].kind == Kind::array);
  CHECK(frame.keys == 2);
  scan_event(frames[7], frame);
  CHECK(frame.kind == Kind::integer);
  CHECK(frame.text == "42");
}

TEST_CASE("what cannot come there is an error") {
  for (const char* bad :
       {"x", "*5\r\n", "*99999999999999999999\r\n", "$-2\r\n", "$1x\r\n", "*2\r\n%1\r\n",
        "$3\r\nabcde", "$99999999999\r\n", "*3\r\n*1\r\n*1\r\n", "*2\r\n*1\r\n+x\r\n",
        "*1\r\n*99999999999\r\n", "$\r\n\r\n", "*-1x\r\n"}) {
    CAPTURE(bad);
    EventFrame frame;
    CHECK(scan_event(bad, frame).status == ParseStatus::error);
  }
}

TEST_CASE("the keys of an invalidation are found one by one, however they are cut") {
  const std::string whole = "$3\r\na\r\n\r\n";
  std::string_view key;
  for (std::size_t size = 0; size < whole.size(); size++) {
    REQUIRE(scan_key(std::string(whole, 0, size), key).status == ParseStatus::incomplete);
  }
  const std::string more = whole + "$0\r\n\r\n";
  EventScan scan = scan_key(more, key);
  REQUIRE(scan.status == ParseStatus::complete);
  CHECK(scan.consumed == whole.size());
  CHECK(key == "a\r\n");
  scan = scan_key(std::string_view(more).substr(whole.size()), key);
  REQUIRE(scan.status == ParseStatus::complete);
  CHECK(scan.consumed == 6);
  CHECK(key.empty());
  for (const char* bad : {"+a\r\n", "*1\r\n", ":1\r\n", "$-1\r\n", "$x\r\n", "$1\r\nabc"}) {
    CAPTURE(bad);
    CHECK(scan_key(bad, key).status == ParseStatus::error);
  }
}

TEST_CASE("a channel names db and key") {
  std::uint32_t db = 99;
  std::string_view key;
  REQUIRE(parse_keyspace_channel("__keyspace@12__:a:b__:c", db, key));
  CHECK(db == 12);
  CHECK(key == "a:b__:c");
  REQUIRE(parse_keyspace_channel("__keyspace@0__:", db, key));
  CHECK(db == 0);
  CHECK(key.empty());
  for (const char* other : {"", "__keyspace@", "__keyspace@x__:k", "__keyspace@1_:k",
                            "__keyspace@99999999999__:k", "__keyevent@0__:set"}) {
    CAPTURE(other);
    CHECK_FALSE(parse_keyspace_channel(other, db, key));
  }
}

TEST_CASE(
    "whatever the bytes, a frame ends where the reply scanner says, and nothing is read past") {
  const std::string seeds[] = {
      "*4\r\n$8\r\npmessage\r\n$1\r\np\r\n$16\r\n__keyspace@0__:k\r\n$3\r\nset\r\n",
      "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n",
      "*3\r\n$9\r\nsubscribe\r\n$-1\r\n:1\r\n+OK\r\n",
  };
  constexpr std::string_view kBytes = "*$:+-\r\n0123456789a";
  std::mt19937 random(7);
  const auto below = [&](std::size_t limit) {
    return random() % limit;
  };
  unsigned agreed = 0;
  for (int round = 0; round < 100'000; round++) {
    std::string bytes = seeds[below(std::size(seeds))];
    for (std::size_t changes = below(4); changes > 0; changes--) {
      const std::size_t at = below(bytes.size());
      if (below(3) == 0) {
        bytes.erase(at, 1);
      } else {
        bytes[at] = kBytes[below(kBytes.size())];
      }
    }
    bytes.resize(1 + below(bytes.size()));
    bytes.shrink_to_fit();
    EventFrame frame;
    EventScan scan = scan_event(bytes, frame);
    for (std::size_t left = frame.keys; left > 0 && scan.status == ParseStatus::complete; left--) {
      std::string_view key;
      const EventScan next = scan_key(std::string_view(bytes).substr(scan.consumed), key);
      scan = {next.status, scan.consumed + next.consumed};
    }
    tiercache::resp::ReplyScanner scanner;
    const auto step = scanner.scan(bytes);
    if (scan.status == ParseStatus::complete && step.status != ParseStatus::error) {
      agreed++;
      REQUIRE(step.status == ParseStatus::complete);
      REQUIRE(step.consumed == scan.consumed);
    }
  }
  CHECK(agreed > 1000);
}
