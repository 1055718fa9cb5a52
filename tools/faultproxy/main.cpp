// tiercache-faultproxy: the fault proxy as a program. Commands come from a control port if one is
// given, and it ends with SIGINT or SIGTERM; else from its standard input, and it ends with that.
#include "commands.hpp"
#include "fault_proxy.hpp"

#include <charconv>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>

namespace {

using tiercache::faultproxy::FaultProxy;
using tiercache::faultproxy::Options;

int usage() {
  std::fprintf(stderr,
               "usage: tiercache-faultproxy --upstream ADDRESS:PORT [--port PORT] [--control "
               "PORT]\n\ncommands, one a line:\n%s",
               std::string(tiercache::faultproxy::commands_help()).c_str());
  return 2;
}

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return port;
}

std::optional<Options> options_of(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string_view value = argv[i + 1];
    const std::size_t colon = value.rfind(':');
    const bool upstream = name == "--upstream" && colon != std::string_view::npos;
    const auto port = port_of(upstream ? value.substr(colon + 1) : value);
    if (!port) {
      return std::nullopt;
    }
    if (upstream) {
      options.upstream_address = value.substr(0, colon);
      options.upstream_port = *port;
    } else if (name == "--port") {
      options.port = *port;
    } else if (name == "--control") {
      options.control_port = *port;
    } else {
      return std::nullopt;
    }
  }
  if (argc % 2 == 0 || options.upstream_port == 0) {
    return std::nullopt;
  }
  return options;
}

int serve(const Options& options) {
  // The forwarder's thread inherits the mask: the signals are this thread's to wait for.
  sigset_t ends;
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGINT);
  ::sigaddset(&ends, SIGTERM);
  if (options.control_port) {
    ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  }
  FaultProxy proxy(options);
  std::printf("port %d\n", proxy.port());
  if (options.control_port) {
    std::printf("control %d\n", proxy.control_port());
  }
  std::fflush(stdout);
  if (options.control_port) {
    int signal = 0;
    ::sigwait(&ends, &signal);
    return 0;
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << proxy.run(line) << std::flush;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = options_of(argc, argv);
  if (!options) {
    return usage();
  }
  try {
    return serve(*options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tiercache-faultproxy: %s\n", error.what());
    return 1;
  }
}
