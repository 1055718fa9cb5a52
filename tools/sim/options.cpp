#include "options.hpp"

#include "command_line.hpp"

#include <array>
#include <optional>

namespace tiercache::sim {

namespace {

constexpr std::array<std::string_view, 3> kPolicies = {"lru", "s3fifo", "tinylfu"};
constexpr std::uint64_t kMostEntries = std::uint64_t{1} << 32;
constexpr std::uint64_t kMostShards = 4096;
constexpr std::uint64_t kMostTtl = 1'000'000'000'000;

std::optional<l1::Eviction> to_policy(std::string_view name) {
  for (std::size_t i = 0; i < kPolicies.size(); ++i) {
    if (kPolicies[i] == name) {
      return static_cast<l1::Eviction>(i);
    }
  }
  return std::nullopt;
}

Error wrong(std::string_view what) {
  return Error{ErrorCode::invalid, std::string(what) + "; --help tells more"};
}

}  // namespace

const std::string_view kUsage =
    R"(usage: tiercache-sim --policy P --entries N [--shards S] [--ttl MS[,MS...]] TRACE

Runs a trace of reads through tiercache's own L1 store: each request looks its key up and, if it
is not there, puts it. Prints one "name value" a line; hit_ratio is hits / requests.

  --policy P    lru, s3fifo or tinylfu
  --entries N   what all shards hold together
  --shards S    parts with a share of the entries each, keys going to them by their hash. Rounded
                up to a power of two, and fewer where a shard would have less than 1000 entries,
                as in tiercache itself (l1.shards). Default: 1
  --ttl MS      how long an entry lives after it was put. Time is counted in requests: one a
                millisecond. Several, as in 500,60000: a key has the one at its number modulo
                their count. Default: for ever
  TRACE         a file of little-endian 32-bit keys, or zipf:THETA:KEYS:REQUESTS
)";

std::string_view name_of(l1::Eviction policy) noexcept {
  return kPolicies[static_cast<std::size_t>(policy)];
}

Result<Options> parse_options(std::span<const std::string_view> words) {
  Options options;
  bool has_policy = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (word == "--help" || word == "-h") {
      options.help = true;
      return options;
    }
    if (!word.starts_with("--")) {
      if (!options.trace.empty()) {
        return wrong("more than one trace");
      }
      options.trace = word;
      continue;
    }
    std::string_view value;
    const std::size_t equals = word.find('=');
    if (equals != word.npos) {
      value = word.substr(equals + 1);
      word = word.substr(0, equals);
    } else if (i + 1 < words.size()) {
      value = words[++i];
    }
    if (word == "--policy") {
      const auto policy = to_policy(value);
      if (!policy) {
        return wrong("--policy is lru, s3fifo or tinylfu");
      }
      options.setup.policy = *policy;
      has_policy = true;
    } else if (word == "--entries") {
      const auto entries = tools::to_number(value, 1, kMostEntries);
      if (!entries) {
        return wrong("--entries needs a number from 1 on");
      }
      options.setup.entries = *entries;
    } else if (word == "--shards") {
      const auto shards = tools::to_number(value, 1, kMostShards);
      if (!shards) {
        return wrong("--shards needs a number from 1 to 4096");
      }
      options.setup.shards = static_cast<unsigned>(*shards);
    } else if (word == "--ttl") {
      options.setup.ttls.clear();
      do {
        const auto ttl = tools::to_number(tools::take_until(value, ','), 1, kMostTtl);
        if (!ttl) {
          return wrong("--ttl needs numbers of milliseconds from 1 on, separated by commas");
        }
        options.setup.ttls.push_back(*ttl);
      } while (!value.empty());
    } else {
      return wrong(std::string("unknown option ") + std::string(word));
    }
  }
  if (!has_policy || options.setup.entries == 0 || options.trace.empty()) {
    return wrong("--policy, --entries and a trace are needed");
  }
  return options;
}

}  // namespace tiercache::sim
