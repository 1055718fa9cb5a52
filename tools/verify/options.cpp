#include "options.hpp"

#include "command_line.hpp"

#include <optional>
#include <string>

namespace tiercache::verify {

using tools::invalid;

namespace {

constexpr std::string_view kUsage =
    R"(Looks for stale, torn or lost data behind a caching proxy, for as long as you let it.

usage: tiercache-verify --proxy HOST:PORT [--proxy HOST:PORT] --redis HOST:PORT [options]

  --proxy HOST:PORT     a proxy to check; up to 4, all in front of the same Redis
  --redis HOST:PORT     the Redis behind them, for direct writes and comparisons; where that is a Cluster, or a
                        master that sentinels may switch: a proxy without L1 before it (l1.enabled = false)
  --seconds N           how long writers write (10)
  --max-staleness MS    how long a direct write may stay unseen (what CACHE STATS says, else 1000)
  --threads T           threads of the checker (2)
  --keys K              keys in the zipf tail (10000)
  --write-rate N        writes a second of each writer; there are 2 a proxy and 2 direct ones (400)
  --clock-slack MS      tolerance at expiry (5)
  --seed S              the same choices again (1)
  --faults-expected     restarts, lost data and lost connections are no violations
  --until-violation     stop at the first violation
  --idle                hardly any load: for the delay of direct writes on an idle machine
  --json                one JSON object instead of text
  --report FILE         one JSON object into the file as well

Writers write through each proxy and directly, readers read through each proxy in deep pipelines, in
RESP2 and RESP3: strings, hashes, lists, sets and sorted sets. Every value names the write that made
it, so each reply is judged at once:
  whole       the bytes are a value that was written     monotonic   no session sees a key go back
  own_write   a session sees what it wrote               proxy_time  nor does one after another
  staleness   a write made elsewhere is seen in time     previous    GETSET, DEL, APPEND, INCR
  torn        keys of one MSET are seen together         expired     nothing is seen after its expiry
  early       nothing is gone before its expiry          watch       counters under WATCH add up
  settled     at the end the proxy equals Redis          leftover    nothing of lost data is left
  protocol    the reply has the type of its command
The report shows reads checked, violations of each kind with a trace of the first, and after how long
a direct write was seen (p50, p99, max). Any proxy will do, and Redis itself in its place: without
CACHE STATS there is no hit ratio, and what a proxy refuses is counted as an error reply.

Its keys begin with "verify:" and are removed at the end.
Exit status: 0 no violation; 1 violations, or a run that proves nothing (it says why); 2 it could not
run: a wrong command line, or a peer that does not answer.
)";

std::optional<Endpoint> to_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const auto port =
      tools::to_number(colon == std::string_view::npos ? text : text.substr(colon + 1), 1, 65535);
  if (!port) {
    return std::nullopt;
  }
  Endpoint endpoint;
  endpoint.port = static_cast<std::uint16_t>(*port);
  if (colon != std::string_view::npos && colon > 0) {
    endpoint.host = text.substr(0, colon);
  }
  return endpoint;
}

constexpr tools::NumberOption<Settings, std::int64_t> kNumbers[] = {
    {"--seconds", 1, 1'000'000,
     [](Settings& s, std::int64_t n) {
       s.seconds = static_cast<int>(n);
     }},
    {"--max-staleness", 0, 3'600'000,
     [](Settings& s, std::int64_t n) {
       s.max_staleness_ms = n;
     }},
    {"--threads", 1, 64,
     [](Settings& s, std::int64_t n) {
       s.threads = static_cast<unsigned>(n);
     }},
    {"--keys", 64, 1'000'000,
     [](Settings& s, std::int64_t n) {
       s.keys = static_cast<std::uint32_t>(n);
     }},
    {"--write-rate", 1, 1'000'000,
     [](Settings& s, std::int64_t n) {
       s.write_rate = static_cast<std::uint32_t>(n);
     }},
    {"--clock-slack", 0, 10'000,
     [](Settings& s, std::int64_t n) {
       s.clock_slack_ms = n;
     }},
    {"--seed", 0, std::int64_t{1} << 50,
     [](Settings& s, std::int64_t n) {
       s.seed = static_cast<std::uint64_t>(n);
     }},
};

// Takes an option that has a value; an error if it is not one of them or the value is bad.
Status take(Settings& settings, std::string_view name, std::string_view value) {
  if (name == "--proxy" || name == "--redis") {
    const auto endpoint = to_endpoint(value);
    if (!endpoint) {
      return invalid(std::string(name) + " wants HOST:PORT, not " + std::string(value));
    }
    if (name == "--redis") {
      settings.redis = *endpoint;
    } else {
      settings.proxies.push_back(*endpoint);
    }
    return Unit{};
  }
  if (name == "--report") {
    settings.report_file = value;
    return Unit{};
  }
  return tools::take_number(kNumbers, settings, name, value);
}

}  // namespace

std::string_view usage() noexcept {
  return kUsage;
}

Result<Settings> parse_options(std::span<const std::string_view> arguments) {
  Settings settings;
  const auto flag = [&](std::string_view name) {
    if (name == "--json") {
      settings.json = true;
    } else if (name == "--until-violation") {
      settings.until = Until::violation;
    } else if (name == "--idle") {
      settings.load = Load::idle;
    } else if (name == "--faults-expected") {
      settings.faults = Faults::expected;
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
  if (settings.redis.port == 0 || settings.proxies.empty()) {
    return invalid("--redis and at least one --proxy are needed");
  }
  if (settings.proxies.size() > kMaxProxies) {
    return invalid("at most " + std::to_string(kMaxProxies) + " proxies");
  }
  return settings;
}

}  // namespace tiercache::verify
