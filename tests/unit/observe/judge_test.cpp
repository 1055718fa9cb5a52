// The verdict on an entry, each way through the machine.
#include "judge.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using namespace tiercache::observe;
using coherence::LinkState;
using coherence::Proof;
using coherence::View;

namespace {

constexpr Time kNow{1h};

View live(std::uint64_t sent, std::uint64_t acked) {
  View view;
  view.state = LinkState::live;
  view.generation = 5;
  view.sent = sent;
  view.acked = acked;
  view.acked_at = kNow;
  view.source = 77;
  return view;
}

View aged() {
  View view = live(0, 0);
  view.proof = Proof::age;
  return view;
}

constexpr Sight kThere{true, kNow + 1h, 1s};
constexpr Sight kGone{false, Time{}, 1s};

// One whose answer differed, with PING 10 the newest sent.
Judge differing() {
  Judge judge(live(9, 9));
  REQUIRE(judge.on_answer(Answer::differs, live(10, 9), kNow) == Outcome::open);
  return judge;
}

}  // namespace

TEST_CASE("an equal answer is the end, and no answer proves nothing") {
  CHECK(Judge(live(1, 1)).on_answer(Answer::equal, live(2, 2), kNow) == Outcome::fine);
  CHECK(Judge(live(1, 1)).on_answer(Answer::none, live(2, 2), kNow) == Outcome::skipped);
}

TEST_CASE("a difference waits for a PING that was not sent when the answer came") {
  const Judge judge = differing();
  CHECK(judge.ping() == 11);
  CHECK_FALSE(judge.due(live(11, 10), kNow));
  CHECK(judge.due(live(11, 11), kNow));
}

TEST_CASE("after the fence the same fill is stale, anything else was in time") {
  const Judge judge = differing();
  CHECK(judge.on_look(kThere, live(12, 11), kNow) == Outcome::stale);
  CHECK(judge.on_look(kGone, live(12, 11), kNow) == Outcome::raced);
}

TEST_CASE("an entry at its end is let go") {
  const Judge judge = differing();
  Sight sight = kThere;
  sight.expire_at = kNow + Judge::kDeadlineSlack;
  CHECK(judge.on_look(sight, live(12, 11), kNow) == Outcome::raced);
  sight.expire_at += 1ns;
  CHECK(judge.on_look(sight, live(12, 11), kNow) == Outcome::stale);
}

TEST_CASE("whatever emptied memory or broke the link leaves nothing to prove") {
  View emptied = live(12, 11);
  emptied.generation++;
  View other_server = live(12, 11);
  other_server.source++;
  View other_way = live(12, 11);
  other_way.proof = Proof::age;
  View down = live(12, 10);
  down.state = LinkState::down;
  View suspect = live(12, 11);
  suspect.state = LinkState::suspect;
  for (const View& view : {emptied, other_server, other_way, down, suspect}) {
    CHECK(Judge(live(9, 9)).on_answer(Answer::differs, view, kNow) == Outcome::skipped);
    const Judge judge = differing();
    CHECK(judge.due(view, kNow));
    CHECK(judge.on_look(kThere, view, kNow) == Outcome::skipped);
  }
}

TEST_CASE("a fence that does not come is not waited for without end") {
  const Judge judge = differing();
  CHECK_FALSE(judge.due(live(11, 10), kNow + Judge::kPatience - 1ns));
  CHECK(judge.due(live(11, 10), kNow + Judge::kPatience));
  CHECK(judge.on_look(kThere, live(11, 10), kNow + Judge::kPatience) == Outcome::skipped);
}

TEST_CASE("without a stream an entry may differ for as long as its age allows, not longer") {
  Judge judge(aged());
  REQUIRE(judge.on_answer(Answer::differs, aged(), kNow) == Outcome::open);
  CHECK(judge.ping() == 0);
  CHECK(judge.due(aged(), kNow));
  Sight sight{true, kNow + 1s, 1s};
  CHECK(judge.on_look(sight, aged(), kNow) == Outcome::raced);
  sight.expire_at += 1ns;
  CHECK(judge.on_look(sight, aged(), kNow) == Outcome::stale);
  CHECK(judge.on_look(kGone, aged(), kNow) == Outcome::raced);
}
