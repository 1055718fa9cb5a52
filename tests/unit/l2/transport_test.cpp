#include "transport.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using tiercache::l2::Ladder;
using tiercache::l2::refused_for_good;
using tiercache::l2::tracked_prefixes;
using tiercache::l2::Transport;

TEST_CASE("what is forbidden or unknown stays so, what is busy does not") {
  for (const char* error : {"NOPERM this user has no permissions to run the 'config|get' command",
                            "-NOPERM no", "ERR unknown command 'CONFIG'", "ERR syntax error",
                            "ERR Unknown subcommand or wrong number of arguments for 'TRACKING'"}) {
    CAPTURE(error);
    CHECK(refused_for_good(error));
  }
  for (const char* error :
       {"", "LOADING Redis is loading", "-BUSY a script runs",
        "MASTERDOWN Link with MASTER is down", "NOAUTH Authentication required.", "WRONGPASS no",
        "ERR max number of clients reached", "ERRATIC x"}) {
    CAPTURE(error);
    CHECK_FALSE(refused_for_good(error));
  }
}

TEST_CASE("the canary is tracked, too, and never twice") {
  using Prefixes = std::vector<std::string>;
  const std::string canary = "tiercache:canary:1";
  CHECK(tracked_prefixes({}, canary).empty());
  CHECK(tracked_prefixes({"user:"}, canary) == Prefixes{"user:", canary});
  CHECK(tracked_prefixes({"user:", "tier"}, canary) == Prefixes{"user:", "tier"});
  CHECK(tracked_prefixes({"user:"}, "") == Prefixes{"user:"});
}

TEST_CASE("a ladder goes down one by one, says why, and starts again at the top") {
  Ladder ladder({Transport::keyspace, Transport::tracking, Transport::ttl});
  CHECK(ladder.current() == Transport::keyspace);
  CHECK(ladder.reasons().empty());
  CHECK(ladder.step_down("no CONFIG"));
  CHECK(ladder.current() == Transport::tracking);
  CHECK(ladder.step_down("no CLIENT"));
  CHECK(ladder.current() == Transport::ttl);
  CHECK(ladder.reasons() == "keyspace: no CONFIG; tracking: no CLIENT");
  CHECK_FALSE(ladder.step_down("no more"));
  CHECK(ladder.current() == Transport::ttl);
  CHECK(ladder.reasons() == "keyspace: no CONFIG; tracking: no CLIENT");
  ladder.restart();
  CHECK(ladder.current() == Transport::keyspace);
  CHECK(ladder.reasons().empty());
}

TEST_CASE("one that was asked for alone is never left") {
  Ladder ladder({Transport::tracking});
  CHECK_FALSE(ladder.step_down("no"));
  CHECK(ladder.current() == Transport::tracking);
  CHECK(ladder.reasons().empty());
}
