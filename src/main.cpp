// tiercache: the command line. Exit status: 0 fine, 1 a configuration or a socket that cannot be
// used, 2 a command line that makes no sense.
#include "tiercache/config/schema.hpp"
#include "tiercache/server/options.hpp"
#include "tiercache/server/server.hpp"

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace {

using tiercache::server::Action;

int complain(const std::string& text, int status) {
  std::fprintf(stderr, "%s\n", text.c_str());
  return status;
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

int run(std::span<const std::string_view> args) {
  namespace config = tiercache::config;
  namespace server = tiercache::server;
  auto options = server::parse_options(args);
  if (!options) {
    return complain("tiercache: " + options.error().detail + "; see tiercache --help", 2);
  }
  if (options->action == Action::help) {
    print(server::usage());
    return 0;
  }
  if (options->action == Action::version) {
    print("tiercache " + std::string(server::version()) + "\n");
    return 0;
  }
  auto loaded = server::load_config(*options);
  if (!loaded) {
    return complain(loaded.error().detail, 1);
  }
  if (options->action == Action::print_config) {
    print(config::to_toml(*loaded, config::Secrets::hide, config::Comments::none));
    return 0;
  }
  auto password = server::upstream_password(*loaded);
  if (!password) {
    return complain(password.error().detail, 1);
  }
  if (options->action == Action::check_config) {
    print("the configuration is valid\n");
    return 0;
  }
  return server::serve(std::move(*options), *loaded, *password);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string_view> args(argv + (argc > 0 ? 1 : 0), argv + argc);
    return run(args);
  } catch (const std::exception& error) {
    return complain(std::string("tiercache: ") + error.what(), 1);
  }
}
