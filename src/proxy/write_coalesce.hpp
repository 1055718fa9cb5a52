// Of a key's writes that are applied together only the last one decides what the source has in the
// end: which of them need not be sent. Those that remain keep their order. Only for namespaces
// whose statement sets a key's row whatever is there, which the configuration says
// (namespace.coalesce); a table that logs its writes is to have them all. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace tiercache::proxy {

struct KeyWrite {
  std::string_view key;
  bool coalesces = false;  // the key's namespace says so
};

// Of each write, in the order of the journal, whether it has to be sent. The last one has.
inline std::vector<bool> needed(std::span<const KeyWrite> writes) {
  std::vector<bool> needed(writes.size(), true);
  std::unordered_set<std::string_view> later;
  for (std::size_t i = writes.size(); i-- > 0;) {
    if (writes[i].coalesces) {
      needed[i] = later.insert(writes[i].key).second;
    }
  }
  return needed;
}

}  // namespace tiercache::proxy
