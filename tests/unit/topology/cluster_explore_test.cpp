// Every interleaving of a small world with the real machine: three servers that learn of two
// changes one by one (slots move, then a master is replaced), answers given before a change and
// delivered after it, answers of a server that has not met all others, time-outs, late answers,
// hints, and time.
//
// Checked in each step: what is believed never goes back to an older configuration, nor to a part
// of one, a question is under way at most once, and rounds keep their distance. And from each
// state: once nothing goes wrong any more, the newest configuration is found.
#include "tiercache/topology/cluster.hpp"

#include <array>
#include <deque>
#include <iostream>
#include <unordered_set>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using namespace tiercache::topology;

namespace {

config::Endpoint at(std::size_t port) {
  return {config::EndpointKind::tcp, "h", static_cast<std::uint16_t>(port), ""};
}

ClusterConfig machine_config() {
  ClusterConfig config;
  config.nodes = {at(1), at(2)};
  config.believe_after = 1h;  // the cluster is not made anew here
  return config;
}

// The configuration after so many changes; each has a newer epoch.
ClusterServers configuration(std::size_t version) {
  ClusterServers servers(3);
  for (std::size_t i = 0; i < 3; i++) {
    servers[i].endpoint = at(i + 1);
    servers[i].master = i < 2 || version == 2;
    servers[i].epoch = i + 1;
  }
  servers[0].slots = {{0, 9999}};
  servers[1].slots = {{10000, 16383}};
  if (version == 1) {
    servers[0].slots = {{0, 8999}};
    servers[1].slots = {{9000, 16383}};
    servers[1].epoch = 4;
  } else if (version == 2) {
    servers[0].slots = {};
    servers[0].failed = true;
    servers[1].slots = {{9000, 16383}};
    servers[2].slots = {{0, 8999}};
    servers[2].epoch = 5;
  }
  return servers;
}

// What a server says that does not know one of the masters yet.
ClusterServers part_of(std::size_t version) {
  ClusterServers servers = configuration(version);
  servers.erase(servers.begin() + (version == 2 ? 2 : 0));
  return servers;
}

enum class Step : std::uint8_t {
  process,  // whoever is asked makes up its answer
  process_part,
  deliver,   // that reaches us
  time_out,  // or does not
  repeat,    // an answer to an older question comes again
  tick,
  hint,
  hint_named,
  change,
  learn_1,
  learn_2,
  learn_3,
};
constexpr int kSteps = 12;

struct World {
  Cluster machine{machine_config()};
  ClusterActions actions;
  Time now{1000s};

  std::size_t version = 0;
  std::array<std::size_t, 3> known{};
  bool asked = false;
  bool answered = false;
  std::size_t whom = 0;
  std::size_t answer = 0;
  bool in_part = false;
  std::uint64_t number = 0;
  bool believed_any = false;
  std::size_t believed = 0;
  Time round_began{};
  int failures = 2;
  int parts = 1;
  int hints = 2;
  std::string fault;

  void obey(bool resting_before) {
    if (actions.ask) {
      if (asked) {
        fault = "two questions at once";
      }
      if (resting_before && now - round_began < Cluster::kMinPause) {
        fault = "rounds too close to each other";
      }
      round_began = resting_before ? now : round_began;
      asked = true;
      answered = false;
      whom = actions.ask->port - 1U;
      number = actions.number;
    }
    if (actions.changed) {
      bool whole = false;
      for (std::size_t i = 0; i < 3; i++) {
        if (machine.servers() == configuration(i)) {
          whole = true;
          if (believed_any && i < believed) {
            fault = "went back to an older configuration";
          }
          believed = i;
        }
      }
      if (believed_any && !whole) {
        fault = "went back to a part";
      }
      believed_any |= whole;
    }
    actions.clear();
  }

  // False: it cannot happen now.
  bool step(Step what) {
    const bool resting = machine.next_tick() != kNever;
    switch (what) {
      case Step::process:
        if (!asked || answered) {
          return false;
        }
        answered = true;
        in_part = false;
        answer = known[whom];
        break;
      case Step::process_part:
        if (!asked || answered || parts == 0) {
          return false;
        }
        parts--;
        answered = true;
        in_part = true;
        answer = known[whom];
        break;
      case Step::deliver:
        if (!asked || !answered) {
          return false;
        }
        asked = false;
        machine.on_answer(number, in_part ? part_of(answer) : configuration(answer), now, actions);
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
        machine.on_answer(number - 1, configuration(0), now, actions);
        break;
      case Step::tick:
        if (!resting) {
          return false;
        }
        now = std::max(now, machine.next_tick());
        machine.on_tick(now, actions);
        break;
      case Step::hint:
      case Step::hint_named:
        if (hints == 0) {
          return false;
        }
        hints--;
        machine.on_hint(what == Step::hint ? std::nullopt : std::optional(at(3)), now, actions);
        break;
      case Step::change:
        if (version == 2) {
          return false;
        }
        version++;
        break;
      case Step::learn_1:
      case Step::learn_2:
      case Step::learn_3: {
        auto& view =
            known[static_cast<std::size_t>(what) - static_cast<std::size_t>(Step::learn_1)];
        if (view == version) {
          return false;
        }
        view = version;
        break;
      }
    }
    obey(resting);
    return true;
  }

  std::uint64_t digest() const {
    std::uint64_t hash = 0xcbf29ce484222325U;
    const auto sink = [&](std::uint64_t value) {
      hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
      hash ^= hash >> 29U;
    };
    machine.digest(sink);
    for (const std::size_t view : known) {
      sink(view);
    }
    sink(version << 8 | std::uint64_t{asked} << 4 | std::uint64_t{answered} << 3 |
         std::uint64_t{number > 1} << 2 | std::uint64_t{believed_any});
    sink(asked ? whom : 9);
    sink(asked && answered ? answer * 2 + std::uint64_t{in_part} : 9);
    sink(believed);
    // How long until a round may begin.
    const Time next = machine.next_tick();
    sink(next == kNever ? 0
                        : std::uint64_t{next <= now} << 1 |
                              std::uint64_t{now - round_began < Cluster::kMinPause});
    sink(static_cast<std::uint64_t>(failures * 64 + hints * 8 + parts));
    return hash;
  }

  // Nothing goes wrong any more, and everybody knows everything.
  bool finds_out() {
    known.fill(version);
    for (int i = 0; i < 60; i++) {
      if (!step(Step::deliver) && !step(Step::process)) {
        step(Step::tick);
      }
    }
    return fault.empty() && machine.servers() == configuration(version) &&
           machine.why_not().empty();
  }
};

}  // namespace

TEST_CASE("explored: an older configuration never replaces a newer one, and the newest is found") {
  World first;
  first.machine.start(first.now, first.actions);
  first.obey(true);
  std::unordered_set<std::uint64_t> seen{first.digest()};
  std::deque<World> waiting{first};
  std::size_t replaced = 0;
  while (!waiting.empty()) {
    const World world = std::move(waiting.front());
    waiting.pop_front();
    replaced += world.believed == 2 ? 1U : 0U;
    World calm = world;
    REQUIRE_MESSAGE(calm.finds_out(), "not found; " << calm.fault);
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
  std::cout << "cluster: " << seen.size() << " states, " << replaced << " with the newest map\n";
  CHECK(seen.size() > 10'000);
  CHECK(replaced > 1000);
}
