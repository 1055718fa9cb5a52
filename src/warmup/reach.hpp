// The nodes whose L1 one run of a warmup fills: the one Redis, or the masters of a Cluster as they
// are at the moment. One that was away for so long that the run goes on without it is left out from
// then on.
//
// Control thread; shared by a run and its scan. The hub and its nodes outlive it.
#pragma once

#include "tiercache/proxy/worker.hpp"
#include "tiercache/topology/slot_map.hpp"

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::warmup {

class Reach {
 public:
  explicit Reach(proxy::Hub& hub) : hub_(hub) {
  }

  // By their index.
  std::vector<std::size_t> nodes() const;
  l2::Events& events(std::size_t node) const {
    return hub_.nodes().at(node).events;
  }
  void use_db(std::uint32_t db) const;
  // What the run waits for: who cannot keep entries now. Empty: nobody.
  std::string away() const;
  // The run goes on without those. False: nobody would be left.
  bool leave_behind();
  // Puts each key to those of its node; keys of nobody within reach to the last.
  std::vector<std::vector<std::string>> deal(std::vector<std::string> keys) const;

 private:
  bool live(std::size_t node) const;

  proxy::Hub& hub_;
  std::set<std::size_t> left_behind_;
};

}  // namespace tiercache::warmup
