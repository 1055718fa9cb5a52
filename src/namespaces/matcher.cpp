#include "tiercache/namespaces/matcher.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/base/glob.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

namespace tiercache::namespaces {

namespace {

struct Split {
  std::string literal;
  std::string rest;  // a glob
};

// The bytes that every key of the pattern begins with, and what the others must fit.
Split split(std::string_view pattern) {
  Split parts;
  std::size_t i = 0;
  while (i < pattern.size() && pattern[i] != '*' && pattern[i] != '?' && pattern[i] != '[') {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      i++;
    }
    parts.literal.push_back(pattern[i++]);
  }
  parts.rest = pattern.substr(i);
  return parts;
}

// Eight bytes at a time, the first one lowest: compilers make one load of it.
constexpr std::size_t kWord = 8;

std::uint64_t load(const char* bytes) noexcept {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// A word with its first `count` bytes set.
std::uint64_t first_bytes(std::size_t count) noexcept {
  return count >= kWord ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * count)) - 1;
}

// Whether `text` begins with the label; behind the label there are kWord readable bytes.
bool begins_with(std::string_view text, const char* label, std::size_t size) noexcept {
  if (text.size() < size) {
    return false;
  }
  if (text.size() >= kWord) {
    if (((load(text.data()) ^ load(label)) & first_bytes(size)) != 0) {
      return false;
    }
    return size <= kWord || std::memcmp(text.data() + kWord, label + kWord, size - kWord) == 0;
  }
  return std::memcmp(text.data(), label, size) == 0;
}

bool takes_anything(std::string_view glob) noexcept {
  return !glob.empty() && std::ranges::all_of(glob, [](char c) { return c == '*'; });
}

}  // namespace

// The tree while it grows: one byte of a literal each.
struct Matcher::Draft {
  std::map<char, std::unique_ptr<Draft>> children;
  std::uint16_t any = kNone;
  std::vector<Rest> rests;

  bool bare() const noexcept {
    return any == kNone && rests.empty() && children.size() == 1;
  }
};

Matcher::Matcher(std::span<const std::vector<std::string>> patterns) {
  TC_CHECK(patterns.size() < kNone);
  Draft root;
  for (std::size_t i = 0; i < patterns.size(); i++) {
    const auto index = static_cast<std::uint16_t>(i);
    for (const std::string& pattern : patterns[i]) {
      TC_CHECK(pattern.size() < 0xffff);
      Split parts = split(pattern);
      Draft* at = &root;
      for (const char c : parts.literal) {
        std::unique_ptr<Draft>& next = at->children[c];
        if (!next) {
          next = std::make_unique<Draft>();
        }
        at = next.get();
      }
      if (takes_anything(parts.rest)) {
        at->any = std::min(at->any, index);
      } else {
        at->rests.push_back({index, std::move(parts.rest)});
      }
    }
  }
  if (patterns.empty()) {
    return;
  }
  nodes_.emplace_back();
  first_bytes_.push_back(0);
  lay_out(0, root);
  // So that whole words can be read at the end too.
  labels_.append(kWord, '\0');
  first_bytes_.insert(first_bytes_.end(), kWord, '\0');
}

void Matcher::lay_out(std::size_t at, const Draft& draft) {
  nodes_[at].any = draft.any;
  nodes_[at].rests = static_cast<std::uint32_t>(rests_.size());
  nodes_[at].rest_count = static_cast<std::uint16_t>(draft.rests.size());
  rests_.insert(rests_.end(), draft.rests.begin(), draft.rests.end());
  const std::size_t first = nodes_.size();
  nodes_[at].children = static_cast<std::uint32_t>(first);
  nodes_[at].child_count = static_cast<std::uint16_t>(draft.children.size());
  std::vector<const Draft*> ends;
  for (const auto& [byte, child] : draft.children) {
    Node made;
    made.label = static_cast<std::uint32_t>(labels_.size());
    labels_.push_back(byte);
    const Draft* end = child.get();
    while (end->bare()) {
      labels_.push_back(end->children.begin()->first);
      end = end->children.begin()->second.get();
    }
    made.label_size = static_cast<std::uint16_t>(labels_.size() - made.label);
    nodes_.push_back(made);
    first_bytes_.push_back(byte);
    ends.push_back(end);
  }
  for (std::size_t i = 0; i < ends.size(); i++) {
    lay_out(first + i, *ends[i]);
  }
}

// 0 is the root, which is nobody's child. Eight children are compared at a time, which leaves
// nothing to guess wrong about.
std::size_t Matcher::child(const Node& node, char first) const noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  const std::uint64_t wanted = kOnes * static_cast<unsigned char>(first);
  for (std::size_t at = 0; at < node.child_count; at += kWord) {
    const std::uint64_t differs = load(first_bytes_.data() + node.children + at) ^ wanted;
    // The lowest high bit that is set stands where the first byte is zero.
    std::uint64_t zero = (differs - kOnes) & ~differs & (kOnes << 7);
    zero &= first_bytes(node.child_count - at);
    if (zero != 0) {
      return node.children + at + static_cast<std::size_t>(std::countr_zero(zero)) / 8;
    }
  }
  return 0;
}

std::uint16_t Matcher::find(std::string_view key) const noexcept {
  std::uint16_t best = kNone;
  std::size_t at = 0;
  if (nodes_.empty()) {
    return best;
  }
  while (true) {
    const Node& node = nodes_[at];
    best = std::min(best, node.any);
    for (std::size_t i = node.rests; i < node.rests + node.rest_count; i++) {
      const Rest& rest = rests_[i];
      if (rest.index < best && glob_match(rest.glob, key)) {
        best = rest.index;
      }
    }
    if (key.empty() || node.child_count == 0) {
      return best;
    }
    at = child(node, key.front());
    if (at == 0) {
      return best;
    }
    const std::size_t size = nodes_[at].label_size;
    if (!begins_with(key, labels_.data() + nodes_[at].label, size)) {
      return best;
    }
    key.remove_prefix(size);
  }
}

}  // namespace tiercache::namespaces
