// A trace: keys in the order they were asked for. From a file of little-endian 32-bit keys, or
// drawn: "zipf:THETA:KEYS:REQUESTS".
#pragma once

#include "tiercache/base/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tiercache::sim {

// A file is read whole: 4 bytes a request.
Result<std::vector<std::uint32_t>> read_trace(const std::string& name);

}  // namespace tiercache::sim
