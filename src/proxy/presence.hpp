// Whether Redis has the key of a read that goes on to a source where it has not.
//
// The reply tells it, but where that to a missing key is also that to an absent field or an empty
// string. Redis may expire or evict a key, or another client remove it, between any two requests of
// ours. So behind such a read a second PTTL is sent: a key that was there before and behind it was
// there, and one that was not is loaded.
//
// It may also go and come again meanwhile, since a load has stored it. This proxy knows when it may
// have done so; of another one the TTL tells, which has grown. (Where that is the same to the
// millisecond, or there is none, it passes for one that was there.)
#pragma once

#include "reply_queue.hpp"

#include "tiercache/proxy/worker.hpp"

#include <string_view>

namespace tiercache::proxy {

// Whether this read of a key that is loaded needs the second PTTL.
bool asks_behind(Worker& worker, namespaces::Index space, std::string_view command);
// REQUIRES: is_loading(op), whose reply is whole, and that of the second PTTL is there.
bool redis_has(Worker& worker, const Op& op, std::string_view reply);

}  // namespace tiercache::proxy
