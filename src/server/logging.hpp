// The log: one line for each thing that an operator would want to know; never a key or a value.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/config/config.hpp"

#include <cstdint>
#include <string>

namespace tiercache::server {

// Call once, before other threads run.
Status start_logging(const config::Log& log);
// What serves whom, at the start.
struct Serving {
  std::uint16_t port = 0;  // the one in use
  unsigned threads = 1;
  unsigned shards = 1;
  std::string redis;  // where it is
};
void log_serving(const config::Config& config, const Serving& serving);
// Any thread.
void set_log_level(config::LogLevel level);

}  // namespace tiercache::server
