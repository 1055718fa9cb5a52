// What an answer of HTTP means for a load. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace tiercache::l3 {

enum class Meaning : std::uint8_t {
  value,  // the body
  absent,
  kept,    // the body of an earlier answer
  failed,  // the server has refused
  away,    // it could not answer, or not now
};

// Only what surely is the value counts as one: no part of it, and no other page that a redirect
// names.
constexpr Meaning meaning(unsigned status) noexcept {
  switch (status) {
    case 200:
      return Meaning::value;
    case 204:
    case 404:
    case 410:
      return Meaning::absent;
    case 304:
      return Meaning::kept;
    case 429:
      return Meaning::away;
    default:
      return status >= 500 ? Meaning::away : Meaning::failed;
  }
}

// Whether a field's value has that word, which is in lower case. Part of a longer one counts too.
bool contains_word(std::string_view text, std::string_view word);

// Whether what was last modified then was so a minute before the answer's date at least. If not, it
// may be modified again within the same second, and Last-Modified would not tell (RFC 7232, 2.2.2).
// Both as HTTP writes them; false if one is not.
bool is_long_before(std::string_view last_modified, std::string_view date);

}  // namespace tiercache::l3
