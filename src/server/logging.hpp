// The log: one line for each thing that an operator would want to know; never a key or a value.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/config/config.hpp"

namespace tiercache::server {

// Call once, before other threads run.
Status start_logging(const config::Log& log);
// Any thread.
void set_log_level(config::LogLevel level);

}  // namespace tiercache::server
