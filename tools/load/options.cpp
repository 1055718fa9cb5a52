#include "options.hpp"

#include "command_line.hpp"

#include <algorithm>
#include <string>

namespace tiercache::load {

using tools::invalid;
using tools::take_until;
using tools::to_number;
using tools::to_real;

namespace {

constexpr std::string_view kUsage =
    R"(Asks a Redis server, or what speaks like one, and says how fast it answered.

usage: tiercache-load [options]

  --target HOST:PORT    or unix:/PATH (127.0.0.1:6380)
  --connections N       (50)
  --pipeline N          requests that leave in one write (1)
  --threads N           of the load (1)
  --command C           get, set, mget:KEYS, or mix:SHARE: so many of 1 are GETs, the others SETs (get)
  --keys K              one, uniform:N, zipf:THETA:N, or sequence:N, each once in turn (one)
  --key-prefix TEXT     a key is this and twelve digits (key:)
  --value-sizes V       of SETs: BYTES, or BYTES*WEIGHT,BYTES*WEIGHT,… (64)
  --ttl SECONDS         of SETs; 0 = none (0)
  --fill                SET each key once before the run
  --rate N              open loop: N requests a second fall due, whatever the server does, and latency
                        counts from then. Without it the loop is closed: each connection asks anew when
                        all its replies are there, and latency counts from the write
  --seconds S           how long it asks (10)
  --count N             how many requests it asks, in place of --seconds
  --seed S              the same choices again (1)
  --json                one JSON object in one line

Exit status: 0 all was answered without an error, 1 it was not, 2 it could not run.
)";

constexpr double kMaxRate = 1e9;
constexpr double kMaxSeconds = 1e6;

constexpr tools::NumberOption<Settings, std::uint64_t> kNumbers[] = {
    {"--connections", 1, 65536,
     [](Settings& s, std::uint64_t n) {
       s.connections = static_cast<std::size_t>(n);
     }},
    {"--pipeline", 1, 65536,
     [](Settings& s, std::uint64_t n) {
       s.pipeline = static_cast<std::size_t>(n);
     }},
    {"--threads", 1, 64,
     [](Settings& s, std::uint64_t n) {
       s.threads = static_cast<unsigned>(n);
     }},
    {"--ttl", 0, 1'000'000'000,
     [](Settings& s, std::uint64_t n) {
       s.workload.ttl = std::chrono::seconds(n);
     }},
    {"--count", 1, std::uint64_t{1} << 50,
     [](Settings& s, std::uint64_t n) {
       s.count = n;
     }},
    {"--seed", 0, std::uint64_t{1} << 50,
     [](Settings& s, std::uint64_t n) {
       s.workload.seed = n;
     }},
};

Status set_target(Settings& settings, std::string_view text) {
  auto endpoint = config::parse_endpoint(text);
  if (!endpoint) {
    return invalid("--target: " + endpoint.error().detail);
  }
  settings.target = std::move(endpoint).value();
  return Unit{};
}

Status set_command(Settings& settings, std::string_view text) {
  Workload& workload = settings.workload;
  std::string_view rest = text;
  const std::string_view name = take_until(rest, ':');
  if (text == "get" || text == "set") {
    workload.command = text == "get" ? CommandKind::get : CommandKind::set;
    return Unit{};
  }
  const auto keys = to_number(rest, 1, 65536);
  const auto share = to_real(rest);
  if (name == "mget" && keys) {
    workload.command = CommandKind::mget;
    workload.mget_keys = static_cast<std::size_t>(*keys);
    return Unit{};
  }
  if (name == "mix" && share && *share >= 0 && *share <= 1) {
    workload.command = CommandKind::mix;
    workload.get_share = *share;
    return Unit{};
  }
  return invalid("commands are get, set, mget:KEYS or mix:SHARE, not " + std::string(text));
}

Status set_keys(Settings& settings, std::string_view text) {
  auto keys = parse_keys(text);
  if (!keys) {
    return std::move(keys).error();
  }
  settings.workload.keys = *keys;
  return Unit{};
}

Status set_prefix(Settings& settings, std::string_view text) {
  if (text.size() > 1024) {
    return invalid("a prefix has at most 1024 bytes");
  }
  settings.workload.key_prefix = text;
  return Unit{};
}

Status set_sizes(Settings& settings, std::string_view text) {
  auto sizes = ValueSizes::parse(text);
  if (!sizes) {
    return std::move(sizes).error();
  }
  settings.workload.values = std::move(sizes).value();
  return Unit{};
}

// REQUIRES: least > 0
Status set_real(double& field, std::string_view text, double least, double most) {
  const auto number = to_real(text);
  if (!number || !(*number >= least && *number <= most)) {
    return invalid(std::string(text) + " is no number from " + std::to_string(least) + " to " +
                   std::to_string(most));
  }
  field = *number;
  return Unit{};
}

struct TextOption {
  std::string_view name;
  Status (*set)(Settings&, std::string_view);
};

constexpr TextOption kTexts[] = {
    {"--target", set_target},
    {"--command", set_command},
    {"--keys", set_keys},
    {"--key-prefix", set_prefix},
    {"--value-sizes", set_sizes},
    {"--rate",
     [](Settings& s, std::string_view text) {
       return set_real(s.rate, text, 1, kMaxRate);
     }},
    {"--seconds",
     [](Settings& s, std::string_view text) {
       return set_real(s.seconds, text, 0.001, kMaxSeconds);
     }},
};

// Takes an option that has a value; an error if it is not one of them or the value is bad.
Status take(Settings& settings, std::string_view name, std::string_view value) {
  const auto* const text = std::find_if(std::begin(kTexts), std::end(kTexts),
                                        [&](const TextOption& o) { return o.name == name; });
  return text != std::end(kTexts) ? text->set(settings, value)
                                  : tools::take_number(kNumbers, settings, name, value);
}

}  // namespace

std::string_view usage() noexcept {
  return kUsage;
}

Result<Settings> parse_options(std::span<const std::string_view> arguments) {
  Settings settings;
  const auto flag = [&](std::string_view name) {
    if (name == "--json") {
      settings.output = Output::json;
    } else if (name == "--fill") {
      settings.fill = Fill::first;
    } else {
      return false;
    }
    return true;
  };
  const auto with_value = [&](std::string_view name, std::string_view value) {
    return take(settings, name, value);
  };
  if (Status status = tools::read_options(arguments, flag, with_value); !status) {
    return std::move(status).error();
  }
  if (settings.threads > settings.connections) {
    return invalid("there are more threads than connections");
  }
  return settings;
}

}  // namespace tiercache::load
