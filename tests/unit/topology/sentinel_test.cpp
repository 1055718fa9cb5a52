// Who is asked, in which order, when again; what is believed and what is not.
#include "tiercache/topology/sentinel.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using namespace tiercache::topology;

namespace {

Endpoint at(std::uint16_t port) {
  return {config::EndpointKind::tcp, "10.0.0.1", port, ""};
}

SentinelAnswer says(std::uint16_t master, std::uint64_t epoch) {
  return {at(master), epoch, {at(1), at(2), at(3)}, {at(99)}};
}

// Three sentinels at ports 1, 2 and 3; servers at 10 and 11.
struct Table {
  Table() {
    machine.start(now, actions);
  }
  // The port of whom the last step asked: a sentinel's, or a server's.
  std::uint16_t asked() {
    const auto& whom = actions.ask ? actions.ask : actions.verify;
    return whom ? whom->port : 0;
  }
  std::uint16_t used() {
    return actions.use ? actions.use->port : 0;
  }
  SentinelActions step(auto&& call) {
    const std::uint64_t number = actions.number;
    actions.clear();
    call(number);
    return actions;
  }
  void answer(const SentinelAnswer& answer) {
    step([&](std::uint64_t number) { machine.on_answer(number, answer, now, actions); });
  }
  void role(Role role) {
    step([&](std::uint64_t number) { machine.on_role(number, role, now, actions); });
  }
  void fail(const std::string& why = "timed out") {
    step([&](std::uint64_t number) { machine.on_failed(number, why, now, actions); });
  }
  void hint() {
    step([&](std::uint64_t) { machine.on_hint(now, actions); });
  }
  // To when it wants to be called.
  void wait() {
    REQUIRE(machine.next_tick() != kNever);
    now = std::max(now, machine.next_tick());
    step([&](std::uint64_t) { machine.on_tick(now, actions); });
  }
  void find(std::uint16_t master, std::uint64_t epoch) {
    answer(says(master, epoch));
    role(Role::master);
  }

  SentinelConfig config{.sentinels = {at(1), at(2), at(3)}};
  Sentinel machine{config};
  SentinelActions actions;
  Time now{1000s};
};

}  // namespace

TEST_CASE("a master is used when a sentinel has named it and it calls itself one") {
  Table table;
  CHECK(table.asked() == 1);
  table.answer(says(10, 1));
  CHECK(table.asked() == 10);
  CHECK(table.used() == 0);
  table.role(Role::master);
  CHECK(table.used() == 10);
  CHECK(table.machine.why_not().empty());
  CHECK(table.machine.replicas().size() == 1);

  Table trusting;
  trusting.answer(says(10, 1));
  trusting.role(Role::unknown);
  CHECK(trusting.used() == 10);
}

TEST_CASE("sentinels are asked in order until one knows; that one is the first afterwards") {
  Table table;
  table.fail();
  CHECK(table.asked() == 2);
  table.answer({});  // it does not know the name
  CHECK(table.asked() == 3);
  table.find(10, 1);
  CHECK(table.used() == 10);
  CHECK(table.machine.sentinels()[0].endpoint == at(3));
  CHECK(table.machine.sentinels()[0].state == "ok");
  table.hint();
  table.wait();
  CHECK(table.asked() == 3);
}

TEST_CASE("a server that is no master, or does not answer, leads to the next sentinel") {
  Table table;
  table.answer(says(10, 1));
  table.role(Role::other);
  CHECK_FALSE(table.actions.withdraw);  // it was not in use
  CHECK(table.asked() == 2);
  table.answer(says(11, 1));
  table.fail("connection refused");
  CHECK(table.asked() == 3);
  table.fail();
  CHECK(table.asked() == 0);
  CHECK(table.machine.why_not() == "timed out");
  table.wait();
  CHECK(table.asked() == 1);
}

TEST_CASE("rounds without a master are spaced, more and more up to a limit") {
  Table table;
  Duration longest{};
  for (int round = 0; round < 10; round++) {
    for (int sentinel = 0; sentinel < 3; sentinel++) {
      table.fail();
    }
    const Duration pause = table.machine.next_tick() - table.now;
    CHECK(pause >= 50ms);
    CHECK(pause <= 500ms);
    longest = std::max(longest, pause);
    table.wait();
  }
  CHECK(longest >= 250ms);
}

TEST_CASE("a hint starts a round, but rounds keep their distance") {
  Table table;
  table.find(10, 1);
  table.hint();
  CHECK(table.asked() == 0);
  CHECK(table.machine.next_tick() == table.now + Sentinel::kMinPause);
  table.wait();
  CHECK(table.asked() == 1);

  // What the round under way has heard may be older than the hint: another follows.
  table.hint();
  CHECK(table.asked() == 0);
  table.step([&](std::uint64_t) {});
  table.machine.on_answer(3, says(10, 1), table.now, table.actions);
  CHECK(table.asked() == 10);  // after a hint the role is asked again
  table.role(Role::master);
  CHECK(table.used() == 0);
  CHECK(table.machine.next_tick() == table.now + Sentinel::kMinPause);
}

TEST_CASE("between hints one sentinel after the other is asked whether it knows better") {
  Table table;
  table.find(10, 1);
  for (const int expected : {1, 2, 3, 1}) {
    table.wait();
    CHECK(table.asked() == expected);
    table.answer(says(10, 1));
    CHECK(table.asked() == 0);
  }
  table.wait();
  CHECK(table.asked() == 2);
  table.fail();
  CHECK(table.machine.why_not().empty());  // the others know
  table.wait();
  CHECK(table.asked() == 3);
  table.find(11, 2);
  CHECK(table.used() == 11);
}

TEST_CASE("a sentinel that was cut off is not believed") {
  Table table;
  table.find(11, 5);
  table.hint();
  table.wait();
  table.answer(says(10, 4));
  CHECK(table.machine.sentinels()[0].state == "stale");
  CHECK(table.asked() == 2);
  table.answer(says(11, 5));
  table.role(Role::master);
  CHECK(table.used() == 0);
  CHECK(table.machine.master() == at(11));
}

TEST_CASE("sentinels that have begun anew are believed after a while, if most of them agree") {
  Table table;
  table.find(11, 5);
  table.hint();
  table.wait();
  const Time since = table.now;
  while (table.machine.master() == at(11)) {
    REQUIRE(table.now < since + 60s);
    if (table.asked() == 10) {
      table.role(Role::master);
    } else if (table.asked() == 0) {
      table.hint();
      table.wait();
    } else {
      table.answer(says(10, 1));
    }
  }
  CHECK(table.now >= since + 10s);

  Table split;
  split.find(11, 5);
  split.hint();
  split.wait();
  while (split.now < since + 60s) {  // one of three is no majority
    if (split.asked() == 0) {
      split.hint();
      split.wait();
    } else if (split.asked() == 1) {
      split.answer(says(10, 1));
    } else {
      split.fail();
    }
  }
  CHECK(split.machine.master() == at(11));
}

TEST_CASE("a master that has become a replica is withdrawn at once") {
  Table table;
  table.find(10, 1);
  table.hint();
  table.wait();
  table.answer(says(10, 1));
  table.role(Role::other);
  CHECK(table.actions.withdraw);
  CHECK_FALSE(table.machine.master());
  CHECK(table.asked() == 2);
  table.answer(says(11, 2));
  table.role(Role::master);
  CHECK(table.used() == 11);
}

TEST_CASE("an answer to an older question is not heard") {
  Table table;
  const std::uint64_t first = table.actions.number;
  table.fail();
  CHECK(table.asked() == 2);
  table.machine.on_answer(first, says(10, 9), table.now, table.actions);
  CHECK_FALSE(table.actions.verify);
  table.machine.on_role(table.actions.number, Role::master, table.now, table.actions);
  CHECK_FALSE(table.actions.use);
}

TEST_CASE("sentinels are learnt and forgotten, configured ones only learnt") {
  Table table;
  SentinelAnswer answer = says(10, 1);
  answer.sentinels = {at(4), at(5)};
  table.answer(answer);
  table.role(Role::master);
  CHECK(table.machine.sentinels().size() == 5);
  answer.sentinels = {at(5)};
  table.wait();
  table.answer(answer);
  std::vector<std::uint16_t> ports;
  for (const SentinelSeen& one : table.machine.sentinels()) {
    ports.push_back(one.endpoint.port);
  }
  CHECK(ports == std::vector<std::uint16_t>{1, 2, 3, 5});
  answer.sentinels.clear();
  for (std::uint16_t port = 100; port < 200; port++) {
    answer.sentinels.push_back(at(port));
  }
  table.wait();
  table.answer(answer);
  CHECK(table.machine.sentinels().size() == Sentinel::kMaxSentinels);
}
