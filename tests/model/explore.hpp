// Exploration of a World: every order of every step, each distinct state once, told apart by
// 128-bit digests. Depth first, because then only the worlds of one path are in memory and a state
// costs 16 bytes; a violation found so is looked for again breadth first, which gives a shortest
// trace. A trace is the list of steps that leads there.
#pragma once

#include "world.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_set.hpp>
#include <xxhash.h>

namespace model {

struct Found {
  std::string violation;  // empty: none
  std::vector<std::string> trace;
  std::uint64_t states = 0;
  bool complete = true;  // false: stopped at the limit
};

class Digester {
 public:
  void operator()(std::uint64_t value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void operator()(std::uint32_t value) {
    (*this)(std::uint64_t{value});
  }
  void operator()(std::uint16_t value) {
    (*this)(std::uint64_t{value});
  }
  void operator()(std::string_view text) {
    (*this)(std::uint64_t{text.size()});
    bytes_.append(text);
  }
  std::pair<std::uint64_t, std::uint64_t> finish() {
    const XXH128_hash_t hash = XXH3_128bits(bytes_.data(), bytes_.size());
    bytes_.clear();
    return {hash.low64, hash.high64};
  }

 private:
  std::string bytes_;
};

using Digest = std::pair<std::uint64_t, std::uint64_t>;
using Seen = boost::unordered_flat_set<Digest>;

// A shortest trace to a violation; none if there is none within max_states.
template <Rules R>
Found find_shortest(const Script& script, std::uint64_t max_states) {
  struct Node {
    std::uint32_t parent;
    std::uint16_t step;
  };
  Found found;
  Digester digester;
  Seen seen;
  std::vector<Node> nodes{{0, 0}};
  std::vector<std::pair<std::uint32_t, World<R>>> level;
  std::vector<std::pair<std::uint32_t, World<R>>> next;
  std::vector<std::uint16_t> steps;

  const auto report = [&](std::uint32_t node, const std::string& violation) {
    found.violation = violation;
    found.states = nodes.size();
    std::vector<std::uint16_t> path;
    for (; node != 0; node = nodes[node].parent) {
      path.push_back(nodes[node].step);
    }
    World<R> world(script);
    for (auto step = path.rbegin(); step != path.rend(); ++step) {
      found.trace.push_back(world.describe(*step));
      world.apply(*step);
    }
    return found;
  };

  level.emplace_back(0, World<R>(script));
  while (!level.empty() && nodes.size() <= max_states) {
    next.clear();
    for (auto& [node, world] : level) {
      world.steps(steps);
      if (steps.empty()) {
        world.check_end();
        if (!world.violation().empty()) {
          return report(node, world.violation());
        }
      }
      for (const std::uint16_t step : steps) {
        World<R> child = world;
        child.apply(step);
        child.digest(digester);
        if (!seen.insert(digester.finish()).second && child.violation().empty()) {
          continue;
        }
        const auto id = static_cast<std::uint32_t>(nodes.size());
        nodes.push_back({node, step});
        if (!child.violation().empty()) {
          return report(id, child.violation());
        }
        next.emplace_back(id, std::move(child));
      }
    }
    std::swap(level, next);
  }
  found.states = nodes.size();
  found.complete = level.empty();
  return found;
}

template <Rules R>
Found explore(const Script& script, std::uint64_t max_states) {
  struct Level {
    World<R> world;
    std::vector<std::uint16_t> steps;
    std::size_t next = 0;
  };
  Found found;
  Digester digester;
  Seen seen;
  std::vector<Level> path;

  // Goes into a state; false if a promise is broken there.
  const auto enter = [&](World<R>&& world) {
    Level& at = path.emplace_back(Level{std::move(world), {}});
    at.world.steps(at.steps);
    if (at.steps.empty()) {
      at.world.check_end();
    }
    return at.world.violation().empty();
  };

  bool holds = enter(World<R>(script));
  while (holds && !path.empty() && seen.size() < max_states) {
    Level& at = path.back();
    if (at.next == at.steps.size()) {
      path.pop_back();
      continue;
    }
    const std::uint16_t step = at.steps[at.next++];
    // The last way out may take the world itself along.
    World<R> child = at.next == at.steps.size() ? std::move(at.world) : World<R>(at.world);
    child.apply(step);
    child.digest(digester);
    if (seen.insert(digester.finish()).second || !child.violation().empty()) {
      holds = child.violation().empty() && enter(std::move(child));
    }
  }
  if (!holds) {
    return find_shortest<R>(script, max_states);
  }
  found.states = seen.size() + 1;
  found.complete = path.empty();
  return found;
}

}  // namespace model
