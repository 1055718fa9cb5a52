// Redis's glob on bytes: `*`, `?`, `[a-z]`, `[^a]`, `\x`, as KEYS and SCAN understand it, down to
// what they make of a class that is not closed. Linear in the text for each star of the pattern, no
// recursion. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tiercache {

enum class LetterCase : std::uint8_t { exact, ignored };  // of ASCII letters

bool glob_match(std::string_view pattern, std::string_view text,
                LetterCase letter_case = LetterCase::exact) noexcept;
// Whether it may match some text that begins so. No is certain; what stands in the pattern behind
// the beginning is not looked at.
bool glob_may_begin(std::string_view pattern, std::string_view beginning) noexcept;
// The pattern that fits this text alone.
std::string glob_escaped(std::string_view text);

}  // namespace tiercache
