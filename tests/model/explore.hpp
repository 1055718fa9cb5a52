// Breadth-first exploration of a World: every order of every step, each distinct state once, so a
// violation is found with a shortest trace. States are told apart by 128-bit digests; a trace is
// the list of steps that leads there and can be replayed.
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

template <Rules R>
Found explore(const Script& script, std::uint64_t max_states) {
  struct Node {
    std::uint32_t parent;
    std::uint16_t step;
  };
  Found found;
  Digester digester;
  boost::unordered_flat_set<std::pair<std::uint64_t, std::uint64_t>> seen;
  std::vector<Node> nodes;
  std::vector<std::pair<std::uint32_t, World<R>>> level;
  std::vector<std::pair<std::uint32_t, World<R>>> next;
  std::vector<std::uint16_t> steps;

  const auto trace_to = [&](std::uint32_t node) {
    std::vector<std::uint16_t> path;
    for (; node != 0; node = nodes[node].parent) {
      path.push_back(nodes[node].step);
    }
    World<R> world(script);
    for (auto step = path.rbegin(); step != path.rend(); ++step) {
      found.trace.push_back(world.describe(*step));
      world.apply(*step);
    }
  };

  nodes.push_back({0, 0});
  level.emplace_back(0, World<R>(script));
  while (!level.empty()) {
    next.clear();
    for (auto& [node, world] : level) {
      world.steps(steps);
      if (steps.empty()) {
        world.check_end();
        if (!world.violation().empty()) {
          found.violation = world.violation();
          found.states = nodes.size();
          trace_to(node);
          return found;
        }
      }
      const std::vector<std::uint16_t> choices = steps;
      for (std::size_t i = 0; i < choices.size(); i++) {
        World<R> child = world;
        child.apply(choices[i]);
        child.digest(digester);
        if (!seen.insert(digester.finish()).second && child.violation().empty()) {
          continue;
        }
        const auto id = static_cast<std::uint32_t>(nodes.size());
        nodes.push_back({node, choices[i]});
        if (!child.violation().empty()) {
          found.violation = child.violation();
          found.states = nodes.size();
          trace_to(id);
          return found;
        }
        next.emplace_back(id, std::move(child));
      }
    }
    if (nodes.size() > max_states) {
      found.complete = false;
      break;
    }
    std::swap(level, next);
  }
  found.states = nodes.size();
  return found;
}

}  // namespace model
