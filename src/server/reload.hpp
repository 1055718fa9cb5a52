// SIGHUP: the configuration is read again.
#pragma once

#include "tiercache/config/config.hpp"
#include "tiercache/server/options.hpp"

#include <optional>

namespace tiercache::server {

// What is to hold from here on; nothing: it stays as it was. Logs what changes and what cannot.
std::optional<config::Config> reload_config(const Options& options, const config::Config& before);

}  // namespace tiercache::server
