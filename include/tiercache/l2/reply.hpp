// A reply of Redis as a tree, for the control plane, where replies must be understood. The data
// path never makes one. RESP2. A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::l2 {

struct Reply {
  enum class Kind : std::uint8_t { nil, status, error, integer, text, array };

  Kind kind = Kind::nil;
  std::string text{};  // status, error ("ERR no such key"), text
  std::int64_t integer = 0;
  std::vector<Reply> items{};

  bool is_error() const noexcept {
    return kind == Kind::error;
  }
};

}  // namespace tiercache::l2
