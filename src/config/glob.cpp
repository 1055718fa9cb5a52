#include "glob.hpp"

namespace tiercache::config {
namespace {

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Matches one character against the element at `at` and moves behind the element.
bool match_one(std::string_view pattern, std::size_t& at, char c) noexcept {
  const char element = pattern[at++];
  if (element == '?') {
    return true;
  }
  if (element == '\\' && at < pattern.size()) {
    return lower(pattern[at++]) == c;
  }
  if (element != '[') {
    return lower(element) == c;
  }
  const bool negated = at < pattern.size() && pattern[at] == '^';
  at += negated ? 1 : 0;
  bool found = false;
  while (at < pattern.size() && pattern[at] != ']') {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      ++at;
    }
    const char from = lower(pattern[at++]);
    char to = from;
    if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
      to = lower(pattern[at + 1]);
      at += 2;
    }
    found = found || (from <= c && c <= to) || (to <= c && c <= from);
  }
  at += at < pattern.size() ? 1 : 0;
  return found != negated;
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) noexcept {
  std::size_t p = 0;
  std::size_t t = 0;
  // The last star and what it has swallowed: the only place worth going back to.
  std::size_t star = pattern.npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    if (p < pattern.size() && match_one(pattern, p, lower(text[t]))) {
      ++t;
      continue;
    }
    if (star == pattern.npos) {
      return false;
    }
    p = star;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') {
    ++p;
  }
  return p == pattern.size();
}

}  // namespace tiercache::config
