#include "rules.hpp"

#include "literal.hpp"

#include "tiercache/config/http_target.hpp"

#include <algorithm>

namespace tiercache::config {
namespace {

// Redis refuses such prefixes too.
bool no_prefix_begins_with_another(const std::vector<std::string>& prefixes) {
  for (const std::string& one : prefixes) {
    if (std::ranges::count_if(
            prefixes, [&](const std::string& other) { return other.starts_with(one); }) > 1) {
      return false;
    }
  }
  return true;
}

bool are_addresses(const std::vector<std::string>& words) {
  return std::all_of(words.begin(), words.end(), [](const std::string& word) {
    const auto endpoint = parse_endpoint(word);
    return endpoint && endpoint.value().kind == EndpointKind::tcp;
  });
}

bool loads(const Config& config) {
  return std::ranges::any_of(config.namespaces,
                             [](const Namespace& one) { return one.tiers == Tiers::l1_l2_l3; });
}

constexpr Rule kRules[] = {
    {"listen.port", "leaves nothing to listen on with", "listen.unix_socket",
     [](const Config& c) {
       return c.listen.port != 0 || !c.listen.unix_socket.empty();
     }},
    {"upstream.password", "cannot be set together with", "upstream.password_file",
     [](const Config& c) {
       return c.upstream.password.empty() || c.upstream.password_file.empty();
     }},
    {"upstream.sentinels", "goes only together with", "upstream.master",
     [](const Config& c) {
       return c.upstream.sentinels.empty() == c.upstream.master.empty();
     }},
    {"upstream.nodes", "cannot be set together with", "upstream.sentinels",
     [](const Config& c) {
       return c.upstream.nodes.empty() || c.upstream.sentinels.empty();
     }},
    {"upstream.nodes", "has an element that is no host:port", "",
     [](const Config& c) {
       return are_addresses(c.upstream.nodes);
     }},
    {"upstream.sentinels", "has an element that is no host:port", "",
     [](const Config& c) {
       return are_addresses(c.upstream.sentinels);
     }},
    {"upstream.nodes", "cannot be set together with a [[warmup]] of another db than 0", "",
     [](const Config& c) {
       return c.upstream.nodes.empty() ||
              std::ranges::all_of(c.warmups, [](const Warmup& one) { return one.db == 0; });
     }},
    {"upstream.read_from", "cannot be replica together with a namespace of tiers l1+l2+l3", "",
     [](const Config& c) {
       return c.upstream.read_from == ReadFrom::master || !loads(c);
     }},
    {"upstream.read_from", "cannot be replica together with", "coherence.max_staleness_ms",
     [](const Config& c) {
       return c.upstream.read_from == ReadFrom::master || c.coherence.max_staleness.count() > 0;
     }},
    {"upstream.reconnect_min_ms", "must not exceed", "upstream.reconnect_max_ms",
     [](const Config& c) {
       return c.upstream.reconnect_min <= c.upstream.reconnect_max;
     }},
    // 0 fences each hit, the heartbeat then only watches the link.
    {"coherence.heartbeat_ms", "must be smaller than", "coherence.max_staleness_ms",
     [](const Config& c) {
       return c.coherence.max_staleness.count() == 0 ||
              c.coherence.heartbeat < c.coherence.max_staleness;
     }},
    {"coherence.tracking_prefixes", "names a prefix that begins with another of them", "",
     [](const Config& c) {
       return no_prefix_begins_with_another(c.coherence.tracking_prefixes);
     }},
    {"journal.dir", "is missing, but a namespace has the strategy write-back", "",
     [](const Config& c) {
       return !c.journal.dir.empty() ||
              std::ranges::none_of(c.namespaces, [](const Namespace& one) {
                return one.strategy == Strategy::write_back;
              });
     }},
    {"journal.retry_min_ms", "must not exceed", "journal.retry_max_ms",
     [](const Config& c) {
       return c.journal.retry_min <= c.journal.retry_max;
     }},
    {"handlers.webhook", "is no http:// or https:// URL that can be asked", "",
     [](const Config& c) {
       return c.handlers.webhook.empty() || parse_url(c.handlers.webhook);
     }},
    // The event link, and clients' caches, listen there.
    {"handlers.channel", "is one of Redis's own channels", "",
     [](const Config& c) {
       return !c.handlers.channel.starts_with("__key") &&
              !c.handlers.channel.starts_with("__redis");
     }},
    // The event link is the replica's then, and a replica's messages stay there.
    {"handlers.channel", "cannot be set where reads go to replicas, except over a Cluster", "",
     [](const Config& c) {
       return c.handlers.channel.empty() || c.upstream.read_from == ReadFrom::master ||
              !c.upstream.nodes.empty();
     }},
    {"handlers.of", "is not some of command, notify and event", "",
     [](const Config& c) {
       return std::ranges::all_of(c.handlers.of, [](const std::string& word) {
         return word == "command" || word == "notify" || word == "event";
       });
     }},
    {"handlers.of", "has event, but nothing tells what changes with", "coherence.invalidation",
     [](const Config& c) {
       return c.coherence.invalidation != Invalidation::ttl ||
              std::ranges::find(c.handlers.of, "event") == c.handlers.of.end();
     }},
    {"handlers.of", "is empty, but there is somebody to be told", "",
     [](const Config& c) {
       return !c.handlers.of.empty() || (c.handlers.webhook.empty() && c.handlers.channel.empty());
     }},
    {"limits.client_output_pause", "must not exceed", "limits.client_output",
     [](const Config& c) {
       return c.limits.client_output_pause <= c.limits.client_output;
     }},
};

std::string shown(std::string_view name, const Config& config) {
  const Key* key = find_key(name);
  TC_CHECK(key != nullptr);
  const Value value = key->get(config);
  std::string result(name);
  if (must_hide(*key, value)) {
    return result;
  }
  return result.append(" (").append(toml_of(*key, value)).append(")");
}

}  // namespace

std::span<const Rule> rules() noexcept {
  return kRules;
}

std::string broken(const Rule& rule, const Config& config) {
  std::string text = shown(rule.first, config).append(" ").append(rule.relation);
  if (!rule.second.empty()) {
    text.append(" ").append(shown(rule.second, config));
  }
  return text;
}

}  // namespace tiercache::config
