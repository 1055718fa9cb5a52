// Every interleaving of a small world with the real machine: three sentinels that learn of a
// failover one by one, a master of old that still believes in itself for a while, answers given
// before a change and delivered after it, time-outs, late answers, hints, and time.
//
// Checked in each step: a server is used only if it has called itself a master in answer to the
// question that led to it; what is used never goes back to an older configuration. And from each
// state: once nothing goes wrong any more, the true master is found.
#include "tiercache/topology/sentinel.hpp"

#include <array>
#include <deque>
#include <iostream>
#include <unordered_set>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using namespace tiercache::topology;

namespace {

constexpr std::uint16_t kServer = 10;  // servers are at 10, 11, ...; sentinels at 1, 2, 3

Endpoint at(std::size_t port) {
  return {config::EndpointKind::tcp, "h", static_cast<std::uint16_t>(port), ""};
}

SentinelConfig machine_config() {
  SentinelConfig config;
  config.sentinels = {at(1), at(2), at(3)};
  config.believe_after = 1h;  // no sentinel begins anew here
  return config;
}

enum class Step : std::uint8_t {
  process,   // whoever is asked makes up its answer
  deliver,   // that reaches us
  time_out,  // or does not
  repeat,    // an answer to an older question comes again
  tick,
  hint,
  fail_over,
  demote,  // the master of old hears of it
  learn_1,
  learn_2,
  learn_3,
};
constexpr int kSteps = 11;

struct World {
  Sentinel machine{machine_config()};
  SentinelActions actions;
  Time now{1000s};

  std::uint64_t epoch = 1;  // the newest; its master is server `epoch - 1`
  std::array<std::uint64_t, 3> known{1, 1, 1};
  std::array<bool, 2> believes{true, false};  // calls itself a master

  bool asked = false;
  bool about_role = false;
  std::size_t whom = 0;
  std::uint64_t number = 0;
  bool answered = false;
  SentinelAnswer answer;
  Role role = Role::unknown;
  std::uint64_t promised = 0;  // epoch of the server that is being verified

  std::uint64_t used = 0;  // epoch of what is used
  int failures = 2;
  int hints = 2;
  std::string fault;

  void obey() {
    if (actions.ask || actions.verify) {
      asked = true;
      answered = false;
      about_role = actions.verify.has_value();
      whom = (about_role ? actions.verify : actions.ask)->port;
      number = actions.number;
    }
    if (actions.use) {
      const std::uint64_t of = actions.use->port - kServer + 1U;
      if (of < used) {
        fault = "went back to an older configuration";
      }
      if (of != promised) {
        fault = "used a server that was not verified";
      }
      used = of;
    }
    actions.clear();
  }
  void process() {
    answered = true;
    if (about_role) {
      role = believes[whom - kServer] ? Role::master : Role::other;
      return;
    }
    const std::uint64_t view = known[whom - 1];
    answer = {at(kServer + view - 1), view, {at(1), at(2), at(3)}, {}};
  }
  void deliver() {
    asked = false;
    if (!about_role) {
      machine.on_answer(number, answer, now, actions);
    } else {
      promised = role == Role::master ? whom - kServer + 1U : 0;
      machine.on_role(number, role, now, actions);
    }
  }

  // False: it cannot happen now.
  bool step(Step what) {
    switch (what) {
      case Step::process:
        if (!asked || answered) {
          return false;
        }
        process();
        break;
      case Step::deliver:
        if (!asked || !answered) {
          return false;
        }
        deliver();
        break;
      case Step::time_out:
        if (!asked || failures == 0) {
          return false;
        }
        failures--;
        asked = false;
        machine.on_failed(number, "timed out", now, actions);
        break;
      case Step::repeat:
        if (number < 2) {
          return false;
        }
        machine.on_role(number - 1, Role::master, now, actions);
        machine.on_answer(number - 1, {at(kServer), 9, {}, {}}, now, actions);
        break;
      case Step::tick:
        if (machine.next_tick() == kNever) {
          return false;
        }
        now = std::max(now, machine.next_tick());
        machine.on_tick(now, actions);
        break;
      case Step::hint:
        if (hints == 0) {
          return false;
        }
        hints--;
        machine.on_hint(now, actions);
        break;
      case Step::fail_over:
        if (epoch == 2) {
          return false;
        }
        epoch = 2;
        believes[1] = true;
        break;
      case Step::demote:
        if (epoch == 1 || !believes[0]) {
          return false;
        }
        believes[0] = false;
        break;
      case Step::learn_1:
      case Step::learn_2:
      case Step::learn_3: {
        auto& view =
            known[static_cast<std::size_t>(what) - static_cast<std::size_t>(Step::learn_1)];
        if (view == epoch) {
          return false;
        }
        view = epoch;
        break;
      }
    }
    obey();
    return true;
  }

  std::uint64_t digest() const {
    std::uint64_t hash = 0xcbf29ce484222325U;
    const auto sink = [&](std::uint64_t value) {
      hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
      hash ^= hash >> 29U;
    };
    machine.digest(sink);
    sink(epoch);
    for (const std::uint64_t view : known) {
      sink(view);
    }
    sink(std::uint64_t{believes[0]} | std::uint64_t{believes[1]} << 1 | std::uint64_t{asked} << 2 |
         std::uint64_t{answered} << 3 | std::uint64_t{about_role} << 4 |
         static_cast<std::uint64_t>(role) << 5 | std::uint64_t{number > 1} << 8);
    sink(whom);
    sink(answered && !about_role ? answer.epoch.value_or(0) : 0);
    sink(promised);
    sink(used);
    sink(static_cast<std::uint64_t>(failures * 8 + hints));
    return hash;
  }

  // Nothing goes wrong any more, and everybody knows everything.
  bool finds_the_master() {
    known.fill(epoch);
    believes = {epoch == 1, epoch == 2};
    for (int i = 0; i < 60; i++) {
      if (!step(Step::deliver) && !step(Step::process)) {
        step(Step::tick);
      }
    }
    return fault.empty() && machine.master() == at(kServer + epoch - 1) && used == epoch;
  }
};

}  // namespace

TEST_CASE(
    "explored: only a verified master is used, never an older one, and the true one is found") {
  World first;
  first.machine.start(first.now, first.actions);
  first.obey();
  std::unordered_set<std::uint64_t> seen{first.digest()};
  std::deque<World> waiting{first};
  std::size_t switched = 0;
  while (!waiting.empty()) {
    const World world = std::move(waiting.front());
    waiting.pop_front();
    switched += world.used == 2 ? 1U : 0U;
    World calm = world;
    REQUIRE_MESSAGE(calm.finds_the_master(), "not found; " << calm.fault);
    for (int step = 0; step < kSteps; step++) {
      World next = world;
      if (!next.step(static_cast<Step>(step))) {
        continue;
      }
      REQUIRE_MESSAGE(next.fault.empty(), next.fault);
      if (seen.insert(next.digest()).second) {
        waiting.push_back(std::move(next));
      }
    }
  }
  std::cout << "sentinel: " << seen.size() << " states, " << switched << " after the switch\n";
  CHECK(seen.size() > 10'000);
  CHECK(switched > 1000);
}
