// Splits the line of an inline command into words, with the server's quoting:
//   "..."  with \n \r \t \b \a, \xHH, and backslash + any other byte standing for that byte
//   '...'  where only \' is special
// A quote may open inside a word, but after the closing one a blank or the end must follow.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::resp {

// Stores the words in args[0..n), growing args as needed, and returns n; nothing when the quotes
// are unbalanced. Words without quotes are views into `line`, the others into `unquoted`, which is
// overwritten.
// REQUIRES: no NUL in line.
std::optional<std::size_t> split_inline(std::string_view line, std::vector<std::string_view>& args,
                                        std::string& unquoted);

}  // namespace tiercache::resp
