// Puts answers of the proxy's own into the reply to EXEC. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::proxy {

// A command of a transaction that ends at the proxy: Redis holds a place for it, and answers that.
struct LocalInExec {
  std::size_t index = 0;  // in the reply
  std::vector<std::string> words;
  std::string reply;
};

// The reply with those elements exchanged. `locals` are in the order of their index. A reply that
// is no array of so many elements (the transaction did not run) comes back as it is.
std::string patch_exec(std::string_view reply, std::span<const LocalInExec> locals);

}  // namespace tiercache::proxy
