// The command line of tiercache-load. Pure.
#pragma once

#include "workload.hpp"

#include "tiercache/base/result.hpp"
#include "tiercache/config/endpoint.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tiercache::load {

enum class Output : std::uint8_t { text, json };
enum class Fill : std::uint8_t { no, first };

struct Settings {
  config::Endpoint target{config::EndpointKind::tcp, "127.0.0.1", 6380, {}};
  std::size_t connections = 50;
  std::size_t pipeline = 1;
  unsigned threads = 1;
  Workload workload;
  Fill fill = Fill::no;
  double rate = 0;          // requests a second, all in all; 0: closed loop
  std::uint64_t count = 0;  // requests; 0: for `seconds`
  double seconds = 10;
  Output output = Output::text;
};

std::string_view usage() noexcept;
Result<Settings> parse_options(std::span<const std::string_view> arguments);

}  // namespace tiercache::load
