// What this process is to the operating system: its descriptors and the signals it ignores.
#pragma once

#include "tiercache/config/config.hpp"

namespace tiercache::server {

// A client that is gone must not end us: writes report it.
void ignore_sigpipe();
// Raises the limit of descriptors as far as allowed, and warns where max_clients does not fit.
void raise_descriptor_limit(const config::Config& config);

}  // namespace tiercache::server
