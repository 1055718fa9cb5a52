#include "tiercache/server/options.hpp"

#include "tiercache/config/load.hpp"

#include <utility>

#include <unistd.h>

namespace tiercache::server {

namespace {

struct Flag {
  std::string_view name;
  Action action;
};
constexpr Flag kFlags[] = {
    {"--check-config", Action::check_config},
    {"--print-config", Action::print_config},
    {"--version", Action::version},
    {"--help", Action::help},
    {"-h", Action::help},
};

std::string for_text(std::string_view text) {
  return std::string("'").append(text).append("'");
}

}  // namespace

std::string_view usage() {
  return "usage: tiercache [--config FILE] [--set KEY=VALUE]...\n"
         "       tiercache --check-config | --print-config [--config FILE] [--set KEY=VALUE]...\n"
         "\n"
         "  --config FILE      read FILE (TOML); without it everything has its default\n"
         "  --set KEY=VALUE    set one key, as in --set upstream.address=10.0.0.1:6379; "
         "repeatable\n"
         "  --check-config     check the configuration and exit\n"
         "  --print-config     print the configuration that is in force and exit\n"
         "  --version          print the version and exit\n"
         "  --help             print this and exit\n"
         "\n"
         "Precedence: default < FILE < environment (TIERCACHE_L1_MAX_MEMORY=1gb) < --set.\n"
         "Signals: TERM, INT: answer what is in flight and stop; HUP: read FILE again.\n";
}

Result<Options> parse_options(std::span<const std::string_view> args) {
  Options options;
  for (std::size_t i = 0; i < args.size(); i++) {
    const std::string_view arg = args[i];
    const std::size_t equals = arg.find('=');
    const std::string_view name = arg.substr(0, equals);
    if (name == "--config" || name == "--set") {
      std::string_view value;
      if (equals != std::string_view::npos) {
        value = arg.substr(equals + 1);
      } else if (++i < args.size()) {
        value = args[i];
      }
      if (value.empty()) {
        return Error{ErrorCode::invalid, std::string(name) + " needs a value"};
      }
      if (name == "--set") {
        options.sets.emplace_back(value);
      } else if (options.config_file.empty()) {
        options.config_file = value;
      } else {
        return Error{ErrorCode::invalid, "--config is given twice"};
      }
      continue;
    }
    bool known = false;
    for (const Flag& flag : kFlags) {
      if (arg == flag.name) {
        options.action = flag.action;
        known = true;
      }
    }
    if (!known) {
      return Error{ErrorCode::invalid, "unknown argument " + for_text(arg)};
    }
  }
  return options;
}

Result<config::Config> load_config(const Options& options) {
  std::string text;
  if (!options.config_file.empty()) {
    auto file = config::load_file(options.config_file);
    if (!file) {
      return std::move(file).error();
    }
    text = std::move(file).value();
  }
  std::vector<std::string_view> environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; entry++) {
    environment.emplace_back(*entry);
  }
  const std::vector<std::string_view> sets(options.sets.begin(), options.sets.end());
  config::Layers layers;
  layers.file_text = text;
  layers.file_name = options.config_file;
  layers.environment = environment;
  layers.sets = sets;
  auto config = config::load(layers);
  if (config) {
    if (Status status = config::check_files(config.value()); !status) {
      return status.error();
    }
  }
  return config;
}

Result<std::string> upstream_password(const config::Config& config) {
  if (config.upstream.password_file.empty()) {
    return config.upstream.password;
  }
  auto file = config::load_file(config.upstream.password_file);
  if (!file) {
    Error error = std::move(file).error();
    error.detail = "upstream.password_file: " + error.detail;
    return error;
  }
  std::string text = std::move(file).value();
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  if (text.empty()) {
    return Error{ErrorCode::invalid,
                 "upstream.password_file: " + config.upstream.password_file + " has no password"};
  }
  return text;
}

}  // namespace tiercache::server
