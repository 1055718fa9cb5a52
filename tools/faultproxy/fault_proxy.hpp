// A TCP forwarder that misbehaves on request, for tests: delays, one-byte fragments, resets, black
// holes, pauses and cuts, for all connections, for one, or for those of a kind (labels, see
// faults.hpp). commands.cpp holds the language.
//
//   FaultProxy proxy(redis.port());
//   Client client(proxy.port());
//   proxy.run("delay down 50 data");
//
// Owner: a test or the program. It has a thread of its own; run() may be called from any thread and
// waits until the command is done.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tiercache::faultproxy {

struct Options {
  std::string upstream_address = "127.0.0.1";  // numeric
  std::uint16_t upstream_port = 0;
  std::uint16_t port = 0;  // 0: any
  // Where commands are taken too, one a line; 0: any.
  std::optional<std::uint16_t> control_port{};
};

class FaultProxy {
 public:
  // Throws if it cannot listen. The server need not be there yet.
  explicit FaultProxy(const Options& options);
  explicit FaultProxy(std::uint16_t upstream_port);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  std::uint16_t port() const;
  std::uint16_t control_port() const;  // 0 without

  // One line of the language; all lines of its answer.
  std::string run(std::string_view line);
  // The same for what must be understood: the number behind OK. Throws std::runtime_error on ERR.
  std::uint64_t must(std::string_view line);
  // One of the counters.
  std::uint64_t stat(std::string_view name);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tiercache::faultproxy
