#include "tiercache/l1/deadlines.hpp"

namespace tiercache::l1 {

Deadlines::Deadlines(std::size_t leaves) : leaves_(leaves) {
  std::size_t size = leaves;
  for (std::size_t count = leaves; count > 1;) {
    count = parents(count);
    size += count;
  }
  tree_.assign(size, kNone);
}

std::size_t Deadlines::earliest_leaf() const noexcept {
  // Where each level begins, from the leaves up: 2^64 leaves have no more levels.
  std::size_t begins[17];
  unsigned levels = 0;
  std::size_t begin = 0;
  for (std::size_t count = leaves_; count > 1; count = parents(count)) {
    begins[levels++] = begin;
    begin += count;
  }
  const Tick wanted = tree_.back();
  std::size_t at = 0;
  while (levels-- > 0) {
    at *= kChildren;
    while (tree_[begins[levels] + at] != wanted) {
      ++at;
    }
  }
  return at;
}

void Deadlines::set(std::size_t leaf, Tick tick) noexcept {
  if (tick <= tree_[leaf]) {
    note(leaf, tick);
    return;
  }
  tree_[leaf] = tick;
  std::size_t level = 0;
  for (std::size_t count = leaves_; count > 1;) {
    const std::size_t first = leaf / kChildren * kChildren;
    const auto begin = tree_.begin() + static_cast<std::ptrdiff_t>(level + first);
    const Tick least = *std::min_element(
        begin, begin + static_cast<std::ptrdiff_t>(std::min(kChildren, count - first)));
    level += count;
    count = parents(count);
    leaf /= kChildren;
    if (tree_[level + leaf] == least) {
      return;
    }
    tree_[level + leaf] = least;
  }
}

}  // namespace tiercache::l1
