// What this process is to the operating system: its descriptors, the signals it ignores, and which
// of its threads goes first.
#pragma once

#include "tiercache/config/config.hpp"

namespace tiercache::server {

// A client that is gone must not end us: writes report it.
void ignore_sigpipe();
// Raises the limit of descriptors as far as allowed, and warns where max_clients does not fit.
void raise_descriptor_limit(const config::Config& config);
// The calling thread, and none but it, is scheduled before the others where that is allowed (root,
// CAP_SYS_NICE, RLIMIT_NICE). For the one that hears of invalidations: it has little to do, but
// behind busy threads it would wait for its turn while they serve what it has to drop.
void hurry_this_thread();

}  // namespace tiercache::server
