#include "tiercache/coherence/event_link.hpp"

namespace tiercache::coherence {

template class BasicEventLink<Rules{}>;

}  // namespace tiercache::coherence
