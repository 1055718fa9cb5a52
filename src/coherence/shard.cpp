#include "tiercache/coherence/shard.hpp"

namespace tiercache::coherence {

template class BasicShard<Rules{}>;

}  // namespace tiercache::coherence
