// To which namespace a key belongs: the first in their order of which a pattern fits. Compiled once
// from the patterns, then only read: thread-safe, pure.
//
// A pattern is a glob, Redis's own. What stands before its first special character is looked for in
// a radix tree, all patterns in one pass over the key; only where more than a last `*` follows is
// the glob itself asked, and only of a namespace that goes before what has been found. Cost: about
// 30 nanoseconds with 64 namespaces of the form `name:*`
// (build/tests/unit/namespaces/bench_matcher).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::namespaces {

class Matcher {
 public:
  static constexpr std::uint16_t kNone = 0xffff;

  Matcher() = default;
  // `patterns[i]` are those of namespace i. REQUIRES: fewer than kNone namespaces, patterns shorter
  // than 64 KiB.
  explicit Matcher(std::span<const std::vector<std::string>> patterns);

  bool empty() const noexcept {
    return nodes_.empty();
  }
  // The index of the namespace; kNone: it belongs to none.
  std::uint16_t find(std::string_view key) const noexcept;

 private:
  // What stands in the tree at the end of a literal prefix, and must fit what follows of the key.
  struct Rest {
    std::uint16_t index = kNone;
    std::string glob;
  };
  struct Node {
    std::uint32_t label = 0;  // in labels_
    std::uint16_t label_size = 0;
    std::uint16_t any = kNone;   // the first namespace that takes whatever follows
    std::uint32_t children = 0;  // nodes that stand together, their first bytes in first_bytes_
    std::uint16_t child_count = 0;
    std::uint16_t rest_count = 0;
    std::uint32_t rests = 0;  // in rests_, in the order of their index
  };
  struct Draft;

  void lay_out(std::size_t at, const Draft& draft);
  std::size_t child(const Node& node, char first) const noexcept;

  std::vector<Node> nodes_;        // the root first
  std::vector<char> first_bytes_;  // by node: of its label
  std::string labels_;
  std::vector<Rest> rests_;
};

}  // namespace tiercache::namespaces
