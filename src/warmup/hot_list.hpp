// The hot keys of a run as a file keeps them for the next: a line that says what it is, how many
// keys there are and their checksum, then each key behind its length, whatever bytes it has. Pure.
#pragma once

#include "tiercache/base/result.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::warmup {

std::string encode_hot(std::span<const std::string> keys);
// An error says in what way it is damaged.
Result<std::vector<std::string>> decode_hot(std::string_view text);

// What is hot now, then what was before, so that an L1 that has just been emptied loses none.
std::vector<std::string> merge_hot(std::vector<std::string> now,
                                   std::span<const std::string> before, std::size_t most,
                                   std::size_t most_bytes);

}  // namespace tiercache::warmup
