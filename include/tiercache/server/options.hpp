// The command line, and what it asks for. Used once, on the main thread, before anything runs;
// the environment and the configuration file are read here.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/config/config.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::server {

enum class Action : std::uint8_t { serve, check_config, print_config, version, help };

struct Options {
  Action action = Action::serve;
  std::string config_file;        // empty: the defaults
  std::vector<std::string> sets;  // key=value, in order
};

// `args` without the program's name. The error says what is wrong with the usage.
Result<Options> parse_options(std::span<const std::string_view> args);

std::string_view usage();

// All layers: the file, the environment of this process, the sets. Reads the file anew each time,
// so it serves a reload too. The error's detail has one line for each mistake.
Result<config::Config> load_config(const Options& options);

// upstream.password, or the first line of upstream.password_file.
Result<std::string> upstream_password(const config::Config& config);

}  // namespace tiercache::server
