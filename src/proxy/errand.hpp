// What Redis is to be sent of the proxy's own accord for some keys of one slot. Pure; errands.hpp
// brings it there.
#pragma once

#include <string>
#include <vector>

namespace tiercache::proxy {

struct Errand {
  std::string key;                    // one of them, by which the node is found
  std::vector<std::string> requests;  // sent together, in this order; may run twice
  // Of several keys, over a Cluster: the same, key by key. While their slot moves no server may be
  // able to run them together.
  std::vector<Errand> apart;
};

}  // namespace tiercache::proxy
