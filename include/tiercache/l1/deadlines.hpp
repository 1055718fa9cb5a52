// When the next of many groups of entries has something that expires: a tree of minima, sixteen
// children a node. A leaf says when the first entry of its group is dead at the latest; it may say
// too early (the entry has gone meanwhile), never too late. Whoever looks at a group that is due
// sets its leaf anew.
//
// Times are ticks of about a millisecond that the owner counts from where it likes.
// Cost: 4.3 bytes a leaf. note() stops where the tree knows something earlier already, mostly at
// the leaf; the others are O(log leaves), a few lines. Owned by an Index.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace tiercache::l1 {

class Deadlines {
 public:
  using Tick = std::uint32_t;
  static constexpr Tick kNone = std::numeric_limits<Tick>::max();

  Deadlines() = default;
  explicit Deadlines(std::size_t leaves);

  Tick earliest() const noexcept {
    return tree_.empty() ? kNone : tree_.back();
  }
  // REQUIRES: earliest() != kNone.
  std::size_t earliest_leaf() const noexcept;
  void note(std::size_t leaf, Tick tick) noexcept {
    std::size_t level = 0;
    for (std::size_t count = leaves_; tree_[level + leaf] > tick; leaf /= kChildren) {
      tree_[level + leaf] = tick;
      if (count == 1) {
        return;
      }
      level += count;
      count = parents(count);
    }
  }
  void set(std::size_t leaf, Tick tick) noexcept;
  // Every group is to be looked at.
  void all_due() noexcept {
    std::fill(tree_.begin(), tree_.end(), Tick{0});
  }
  const void* memory() const noexcept {
    return tree_.data();
  }

 private:
  static constexpr std::size_t kChildren = 16;

  static std::size_t parents(std::size_t count) noexcept {
    return (count + kChildren - 1) / kChildren;
  }

  std::size_t leaves_ = 0;
  std::vector<Tick> tree_;  // the leaves, their parents, and so on to the root
};

}  // namespace tiercache::l1
