// The elements of MGET's reply. Pure.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace tiercache::proxy {

// Each with its framing; they point into the reply. Empty if it is not what MGET answers.
std::vector<std::string_view> split_bulks(std::string_view reply, std::size_t count);

}  // namespace tiercache::proxy
