#include "tiercache/base/glob.hpp"

#include <utility>

namespace tiercache {

namespace {

// Redis compares bytes of a range as its plain char, which is signed where it is run.
struct Fold {
  LetterCase letter_case;
  signed char operator()(char c) const noexcept {
    const bool upper = letter_case == LetterCase::ignored && c >= 'A' && c <= 'Z';
    return static_cast<signed char>(upper ? c - 'A' + 'a' : c);
  }
};

// Matches one byte against the element at `at` and moves behind the element.
bool match_one(std::string_view pattern, std::size_t& at, signed char c, Fold fold) noexcept {
  const char element = pattern[at++];
  if (element == '?') {
    return true;
  }
  if (element == '\\' && at < pattern.size()) {
    return fold(pattern[at++]) == c;
  }
  if (element != '[') {
    return fold(element) == c;
  }
  const bool negated = at < pattern.size() && pattern[at] == '^';
  at += negated ? 1 : 0;
  bool found = false;
  while (at < pattern.size() && pattern[at] != ']') {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      found = found || fold(pattern[at + 1]) == c;
      at += 2;
    } else if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      // Which end is the lower one is decided before case is forgotten.
      auto from = static_cast<signed char>(pattern[at]);
      auto to = static_cast<signed char>(pattern[at + 2]);
      if (from > to) {
        std::swap(from, to);
      }
      found = found || (fold(from) <= c && c <= fold(to));
      at += 3;
    } else {
      found = found || fold(pattern[at]) == c;
      at++;
    }
  }
  // A class that is never closed ends with the pattern.
  at += at < pattern.size() ? 1 : 0;
  return found != negated;
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text, LetterCase letter_case) noexcept {
  const Fold fold{letter_case};
  std::size_t p = 0;
  std::size_t t = 0;
  // The last star and what it has swallowed: the only place worth going back to.
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    if (p < pattern.size() && match_one(pattern, p, fold(text[t]), fold)) {
      ++t;
      continue;
    }
    if (star == std::string_view::npos) {
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

bool glob_may_begin(std::string_view pattern, std::string_view beginning) noexcept {
  const Fold fold{LetterCase::exact};
  std::size_t at = 0;
  for (const char c : beginning) {
    if (at == pattern.size()) {
      return false;
    }
    if (pattern[at] == '*') {
      return true;
    }
    if (!match_one(pattern, at, fold(c), fold)) {
      return false;
    }
  }
  return true;
}

std::string glob_escaped(std::string_view text) {
  constexpr std::string_view kSpecial = "*?[]\\";
  std::string pattern;
  for (const char byte : text) {
    if (kSpecial.find(byte) != kSpecial.npos) {
      pattern.push_back('\\');
    }
    pattern.push_back(byte);
  }
  return pattern;
}

}  // namespace tiercache
