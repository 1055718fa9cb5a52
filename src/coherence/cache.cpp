#include "tiercache/coherence/cache.hpp"

namespace tiercache::coherence {

template class BasicCache<Rules{}>;

}  // namespace tiercache::coherence
